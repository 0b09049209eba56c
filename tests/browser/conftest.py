"""Chromium without a window, by selenium. Without either, the tests are skipped and say what is missing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MISSING = "needs {}: apt-get install chromium chromium-driver, and pip install -e '.[browser]'"

Open = Callable[..., Any]  # a page's path → the driver that shows it


@pytest.fixture(scope="session")
def make_driver() -> Iterator[Callable[..., Any]]:
    """Starts a browser: `width` of its window, and whether scripts run."""
    webdriver = pytest.importorskip("selenium.webdriver", reason=MISSING.format("selenium"))
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip(MISSING.format("chromium and chromedriver"))
    started = []

    def start(width: int = 1280, scripts: bool = True) -> Any:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for argument in (
            "headless=new",
            "no-sandbox",
            "disable-gpu",
            "disable-dev-shm-usage",
            f"window-size={width},900",
        ):
            options.add_argument(f"--{argument}")
        if not scripts:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        started.append(webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)))
        started[-1].execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        return started[-1]

    yield start
    for each in started:
        each.quit()


@pytest.fixture(scope="module")
def browser(make_driver: Callable[..., Any]) -> Any:
    """A browser as wide as a desk's."""
    return make_driver()


def open_page(driver: Any, path: Path) -> None:
    """Show a page; what was logged before is forgotten."""
    driver.get("about:blank")
    driver.get_log("browser")
    driver.get_log("performance")
    driver.get(path.as_uri())


def requested(driver: Any) -> set[str]:
    """The addresses that the browser asked for since `open_page`."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    return {
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    }
