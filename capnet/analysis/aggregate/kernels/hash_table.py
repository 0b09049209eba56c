"""Looks keys up in hash tables, and adds rows to them.

A table is two flat arrays: rows of equal width, whose first numbers are the key, and an open-addressing index. The
index begins with how many rows there are, the mask of its slots and the secret of its hash. Its slots follow, a power
of two. Before a kernel runs there is room for all that it may add, so that kernels never have to stop and ask.
"""

from __future__ import annotations

from capnet.jit.arrays import Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire.octets import HALF

MAX_KEY = 12  # numbers in a key
SECRETS = 2 + 2 * MAX_KEY  # where a hash begins, its last factor, and two factors for each number of a key

# -- columns of an index
COUNT = 0  # rows of the table
MASK = 1  # slots - 1
SECRET = 2
SLOTS = SECRET + SECRETS

# A slot: half of a row's hash << 32 | the row's number + 1; 0 = free.
TAG_SHIFT = 32
TAG_MASK = (1 << TAG_SHIFT) - 1

HASH_MASK = (1 << 62) - 1
WORD_HALF = (1 << 32) - 1


@inline
def key_hash(table: Int64Array, at: int, keys: int, secret: Int64Array, secret_at: int) -> int:
    """Hash of the `keys` numbers at `table[at:]`, 62 bits, by the secret at `secret[secret_at:]`.

    A multilinear hash (Carter and Wegman 1979): a sum of products with secret factors, then mixed.
    """
    state = secret[secret_at]
    factor = secret_at + 2
    for k in range(at, at + keys):
        low, high = table[k] & WORD_HALF, (table[k] >> 32) & WORD_HALF
        state = (state + low * secret[factor] + high * secret[factor + 1]) & HASH_MASK
        factor += 2
    # Different sums have different hashes, but all bits of a sum decide about each bit of a hash, or nearly so.
    last = secret[secret_at + 1]
    state ^= state >> 31
    state = ((state & HALF) * last + ((((state >> 31) * last) & HALF) << 31)) & HASH_MASK  # their product modulo 2**62
    return state ^ (state >> 31)


@inline
def lookup(index: Int64Array, table: Int64Array, width: int, keys: int, key: Int64Array) -> int:
    """The row of `key`, or -1 - slot where its row number belongs."""
    return lookup_hashed(index, index[MASK], table, width, keys, key, 0, key_hash(key, 0, keys, index, SECRET))


@inline
def lookup_hashed(
    index: Int64Array, mask: int, table: Int64Array, width: int, keys: int, key: Int64Array, key_at: int, hashed: int
) -> int:
    """As `lookup`, for the key at `key[key_at:]` whose hash is known, and an index of this mask."""
    slot = hashed & mask
    tag = hashed >> TAG_SHIFT
    while index[SLOTS + slot] != 0:
        if index[SLOTS + slot] >> TAG_SHIFT == tag:
            row = row_of(index[SLOTS + slot])
            at = row * width
            k = 0
            while k < keys and table[at + k] == key[key_at + k]:
                k += 1
            if k == keys:
                return row
        slot = (slot + 1) & mask
    return -1 - slot


@inline
def insert(index: Int64Array, missing: int, table: Int64Array, width: int, keys: int, key: Int64Array) -> int:
    """Add a row with `key`, for which `lookup` returned `missing`; returns its number."""
    return insert_hashed(index, missing, table, width, keys, key, 0, key_hash(key, 0, keys, index, SECRET))


@inline
def insert_hashed(
    index: Int64Array,
    missing: int,
    table: Int64Array,
    width: int,
    keys: int,
    key: Int64Array,
    key_at: int,
    hashed: int,
) -> int:
    """As `insert`, for the key at `key[key_at:]` whose hash is known."""
    row = index[COUNT]
    index[COUNT] = row + 1
    index[SLOTS - 1 - missing] = entry_for(row, hashed)
    at = row * width
    for k in range(keys):
        table[at + k] = key[key_at + k]
    return row


@inline
def row_of(entry: int) -> int:
    """The row that a slot of an index is about."""
    return (entry & TAG_MASK) - 1


@inline
def entry_for(row: int, hashed: int) -> int:
    """What a slot holds for a row: its number and half of its hash, so that few other rows are compared."""
    return ((hashed >> TAG_SHIFT) << TAG_SHIFT) | (row + 1)


@kernel
def reindex(index: Int64Array, table: Int64Array, width: int, keys: int) -> None:
    """Fill the empty slots of an index with the rows of a table; `index` says how many there are."""
    mask = index[MASK]
    for row in range(index[COUNT]):
        hashed = key_hash(table, row * width, keys, index, SECRET)
        slot = hashed & mask
        while index[SLOTS + slot] != 0:
            slot = (slot + 1) & mask
        index[SLOTS + slot] = entry_for(row, hashed)
