"""The browser that the tests of the page run in; as a command, this file finds it or installs it where it can."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REQUIRED = "VIDEO_HASHING_BROWSER_REQUIRED"
"""Set it, and a missing browser is a failure in place of a skipped test."""
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--force-color-profile=srgb"]


def find():
    """Return the path of a Chromium: one of the system, else the one that Playwright has downloaded, else None."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as started:
        own = started.chromium.executable_path
    return own if Path(own).exists() else None


def install():
    """Install Chromium from the distribution where we may, else let Playwright download its own."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-liberation"]
        if subprocess.run(command, check=False, **quiet).returncode == 0 and find():
            return
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


if __name__ == "__main__":
    if not find():
        install()
    found = find()
    print(f"browser: {found or 'none, the tests in a browser are skipped'}")
    sys.exit(1 if not found and os.environ.get(REQUIRED) else 0)
