"""The page in a real browser: nothing to complain of, nothing loaded, and it fits a desk and a phone, light and dark.

Skipped where no Chromium is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest
from PIL import Image

BROWSER = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
PLAIN = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr",
)  # fmt: skip
WINDOWS = {"desk": (1200, 900), "phone": (500, 900)}
ASK = """
<script>
addEventListener("load", () => {
  const seen = {
    window: innerWidth, page: document.documentElement.scrollWidth, loaded: performance.getEntriesByType("resource").map(e => e.name),
    broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).length, images: document.images.length,
    empty: [...document.querySelectorAll("svg")].map(s => s.getBoundingClientRect()).filter(b => b.width < 20 || b.height < 10).length,
    outside: [...document.querySelectorAll("svg.plot text")].filter(t => {
      const own = t.getBoundingClientRect(), all = t.ownerSVGElement.getBoundingClientRect()
      return own.left < all.left - 3 || own.right > all.right + 3 || own.top < all.top - 3 || own.bottom > all.bottom + 3
    }).map(t => t.textContent),
  }
  document.body.setAttribute("data-seen", JSON.stringify(seen))
})
</script></body>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


def browse(place, page: str, width: int, height: int, *words: str, dark: bool = False) -> subprocess.CompletedProcess[str]:
    """Open a page in a new browser and wait until it ends."""
    file = place / "page.html"
    file.write_text(page, encoding="utf-8")
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    command = [str(BROWSER), *PLAIN, *scheme, f"--user-data-dir={place / 'user'}", f"--window-size={width},{height}", *words, file.as_uri()]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    shutil.rmtree(place / "user", ignore_errors=True)
    return made


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", ["two_classes", "numbers", "images", "series"])
def test_a_page_fits_its_window_and_loads_nothing(page_of, tmp_path, kind, window):
    width, height = WINDOWS[window]
    made = browse(tmp_path, page_of(kind).replace("</body>", ASK), width, height, "--dump-dom")
    assert "CONSOLE" not in made.stderr, made.stderr
    seen = json.loads(unescape(re.search(r'data-seen="([^"]*)"', made.stdout)[1]))
    assert seen["window"] == width
    assert seen["page"] <= width
    assert seen["images"] > 0
    assert [address for address in seen["loaded"] if not address.startswith("data:")] == []
    assert (seen["broken"], seen["empty"], seen["outside"]) == (0, 0, [])


def test_a_page_is_dark_for_readers_who_prefer_that(page_of, tmp_path):
    brightness = {}
    for dark in (False, True):
        browse(tmp_path, page_of("table"), 800, 600, f"--screenshot={tmp_path / 'seen.png'}", dark=dark)
        with Image.open(tmp_path / "seen.png") as image:
            pixels = np.asarray(image.convert("RGB"))
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50  # not a blank page
        brightness[dark] = pixels.mean()
    assert brightness[True] < 60 < 200 < brightness[False]
