"""The verdict on each flow chain, and what it needs beside the fates: loops, answers that stop. Internal."""
