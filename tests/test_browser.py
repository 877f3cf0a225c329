"""One journey in a real browser, through a server of its own: what a visitor sees, and that nothing comes from elsewhere."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import ROOT
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
START = 60  # seconds for the server, and for the first model to load
TEXT = "디자인은 예쁜데 배송이 늦었어요"


@dataclass
class Visit:
    """The page after the journey's first half, and the hosts it asked and the errors it met on the way."""

    page: Page
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start `streamlit run app.py` as a visitor's server would; stop it at the end."""
    if not CHROMIUM.exists():
        missing = f"there is no {CHROMIUM}; install it with: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    port = free_port()
    log = tmp_path_factory.mktemp("server") / "log"
    options = {"server.headless": "true", "server.port": port, "server.address": "127.0.0.1"}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", *(f"--{name}={value}" for name, value in options.items())]
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + START
        while not healthy(port):
            if server.poll() is not None or time.monotonic() > end:
                pytest.fail(f"The server did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def visit(address: str) -> Iterator[Visit]:
    """Open the page, paste a review, submit it, and wait for its card."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        visit = Visit(browser.new_page(viewport={"width": 1280, "height": 900}, locale="ko-KR"))
        visit.page.on("request", lambda request: visit.hosts.add(urlsplit(request.url).hostname or ""))
        visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
        visit.page.goto(address)
        submit = visit.page.get_by_role("button", name="분석하기")
        expect(submit).to_be_visible(timeout=START * 1000)
        visit.page.locator("textarea").fill(TEXT)
        submit.click()
        expect(visit.page.locator('.ft-text[dir="auto"]')).to_be_visible(timeout=START * 1000)
        yield visit
        browser.close()


def test_the_pasted_review_stands_on_its_card(visit):
    assert visit.page.locator('.ft-text[dir="auto"]').text_content() == TEXT
    expect(visit.page.get_by_text("전체 만족도").first).to_be_visible()
    expect(visit.page.locator(".js-plotly-plot").first).to_be_visible(timeout=START * 1000)  # its library is loaded late
    assert not visit.errors


def test_nothing_is_fetched_from_elsewhere(visit):
    assert visit.hosts - {""} == {"127.0.0.1"}  # no host: data and blob addresses


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_screen(visit, width):
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.page.wait_for_function(f"document.documentElement.clientWidth <= {width}")
    assert visit.page.evaluate(
        "[document.documentElement, document.querySelector('[data-testid=stMain]')].every(e => e.scrollWidth <= e.clientWidth)"
    )


@pytest.mark.parametrize(
    ("keyword", "words", "sentiment"), [("디자인", "디자인은 예쁜데", "긍정"), ("배송", "배송이 늦었어요", "부정")]
)
def test_the_marked_words_are_those_that_say_so(visit, keyword, words, sentiment):
    """Of the bundled model: a random one marks anything."""
    marks = visit.page.locator(f'.ft-text[dir="auto"] mark[data-keyword="{keyword}"]')
    assert "".join(marks.all_text_contents()).strip() == words  # a mark may be cut into slices
    assert sentiment in (marks.first.get_attribute("data-sentiment") or "")
