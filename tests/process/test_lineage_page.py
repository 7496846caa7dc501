"""The lineage page of the Dagster UI as an analyst sees it, in a real browser."""

import os
import shutil
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
GROUPS = ("acquisition", "manipulation", "detection", "health", "prognosis", "advisory", "serving", "maintenance")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "lineage.png"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.process,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no chromium here: `apt install chromium`"),
]


@pytest.mark.timeout(300)
def test_the_lineage_page_shows_every_group_and_asset(up, tmp_path):
    from playwright.sync_api import sync_playwright

    # the README's picture is written by `make picture` alone: a test run leaves the tree as it was
    picture = PICTURE if os.environ.get("SMARTMAINT_PICTURE_OF") else tmp_path / "lineage.png"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 2000, "height": 1400})
        page.goto(f"{up.url}/asset-groups", wait_until="domcontentloaded")
        for group in GROUPS:
            page.get_by_text(group, exact=True).first.wait_for(timeout=60_000)
        page.keyboard.press("Alt+e")  # expands all groups
        for asset in ("readings", "forecasts", "work_orders"):
            page.get_by_text(asset, exact=True).first.wait_for(timeout=60_000)
        page.wait_for_timeout(8_000)  # the layout settles, and each asset asks for its state
        page.screenshot(path=picture)
        browser.close()
    assert picture.stat().st_size > 20_000
