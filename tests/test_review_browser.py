"""The review in a real browser: open, correct, saved, exported; by keyboard, on a phone, in the dark.

Set DOCPROC_SCREENSHOTS to a folder to keep pictures of what is seen (docs/review-*.png are made so).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docproc.store import FormulaStore
from tests.conftest import Docproc, docproc_command
from tests.review_data import HOSTILE, HOSTILE_LATEX, make_database, make_hostile

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

pytest.importorskip("starlette", reason="docproc[review] is not installed")
webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
Waiting = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
WebDriverException = pytest.importorskip("selenium.common.exceptions").WebDriverException
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("chromium and chromedriver are not installed: scripts/install-browser", allow_module_level=True)

CORRECTION = r"f^{\prime}(x)=\lim_{h\rightarrow0}\frac{f(x+h)-f(x)}{h}"
_FIRST_PAINT_MS = 300


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    path = tmp_path_factory.mktemp("browser") / "docproc.db"
    return path, make_database(path)


@pytest.fixture(scope="module")
def address(made: tuple[Path, int]) -> Iterator[str]:
    with served(made[0], "ada") as place:
        yield place


@contextlib.contextmanager
def served(database: Path, reviewer: str) -> Iterator[str]:
    command = docproc_command("review", "-d", database, "--port", 0, "--reviewer", reviewer)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip().rstrip("/")
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--window-size=1280,900", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to start otherwise, in containers
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(120)
    yield driver
    driver.quit()


def wait(browser: WebDriver, condition: Callable[[WebDriver], object]) -> object:
    # What is asked may be gone with the page before, or not be there yet.
    return Waiting(browser, 60, ignored_exceptions=(WebDriverException,)).until(condition)


def keep_picture(browser: WebDriver, name: str) -> None:
    folder = os.environ.get("DOCPROC_SCREENSHOTS")
    if folder:
        wait(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "html[data-drawn]"))
        time.sleep(1.0)  # fonts and pictures fade in
        browser.save_screenshot(str(Path(folder) / f"review-{name}.png"))


def press(browser: WebDriver, *keys: str) -> None:
    webdriver.ActionChains(browser).send_keys(*keys).perform()


def picture_is_there(browser: WebDriver) -> bool:
    script = (
        "const i = document.querySelector('.sheet image');"
        "return performance.getEntriesByName(i.href.baseVal.replace(/^/, location.origin)).length > 0"
    )
    return bool(browser.execute_script(script))


def test_from_the_list_to_a_saved_correction_and_its_export(
    browser: WebDriver, address: str, made: tuple[Path, int], docproc: Docproc
) -> None:
    database, formula = made
    browser.get(address)
    keep_picture(browser, "documents")
    browser.find_element(By.LINK_TEXT, "calculus notes").click()
    browser.find_element(By.CSS_SELECTOR, ".pages a").click()
    box = browser.find_element(By.CSS_SELECTOR, f"a[data-formula='{formula}']")
    assert "invalid" in box.get_attribute("aria-label")
    wait(browser, picture_is_there)
    browser.find_element(By.CSS_SELECTOR, f"a[data-formula='{formula}'] rect").click()
    editor = wait(browser, lambda b: b.find_element(By.ID, "latex"))
    assert "opening brace" in browser.find_element(By.CSS_SELECTOR, ".panel .problem").text
    assert browser.execute_script("return document.querySelector('.crop').complete") is True

    press(browser, "e")
    press(browser, r"\frac{a}{b}}")
    verdict = browser.find_element(By.ID, "verdict")
    wait(browser, lambda _: "closing brace" in verdict.text)
    assert verdict.get_attribute("data-position") == str(len(r"\frac{a}{b}"))
    keep_picture(browser, "error")
    press(browser, Keys.BACKSPACE)
    wait(browser, lambda _: verdict.text.startswith("valid"))
    assert browser.find_elements(By.CSS_SELECTOR, "#rendered .katex .mfrac"), "it is drawn as it is typed"

    browser.execute_script("arguments[0].value = ''", editor)
    press(browser, CORRECTION)
    wait(browser, lambda _: verdict.text.startswith("valid"))
    keep_picture(browser, "page")
    webdriver.ActionChains(browser).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    wait(browser, lambda b: b.find_elements(By.CSS_SELECTOR, ".panel .status.verified"))
    assert "looked at by ada" in browser.find_element(By.CLASS_NAME, "panel").text
    with FormulaStore.open(database, read_only=True) as store:
        row = "SELECT corrected_latex, status, reviewer FROM formulas WHERE id = ?"
        assert store.connection.execute(row, (formula,)).fetchone() == (CORRECTION, "verified", "ada")
    rows = docproc("export", "--format", "jsonl", "-d", database, "--reviewed").stdout.splitlines()
    assert [json.loads(line)["latex"] for line in rows] == [CORRECTION]


def test_a_missed_box_is_drawn(browser: WebDriver, address: str) -> None:
    browser.get(f"{address}/documents/1/pages/1")
    press(browser, "b")
    sheet = browser.find_element(By.CSS_SELECTOR, ".sheet svg")
    size = sheet.size
    drag = webdriver.ActionChains(browser).move_to_element_with_offset(sheet, -size["width"] // 4, -size["height"] // 4)
    drag.click_and_hold().move_by_offset(size["width"] // 2, 60).release().perform()
    script = "return ['x0', 'y0', 'x1', 'y1'].map(n => Number(document.getElementById('draw').elements[n].value))"
    x0, y0, x1, y1 = browser.execute_script(script)
    width = browser.execute_script("return arguments[0].viewBox.baseVal.width", sheet)
    assert x1 - x0 == pytest.approx(width / 2, abs=3)
    assert 0 < y0 < y1
    assert browser.switch_to.active_element.text == "Read it"
    assert browser.current_url.endswith("/pages/1"), "drawing over boxes does not follow their links"
    keep_picture(browser, "draw")


def test_a_correction_takes_three_keystrokes_beside_the_edit(
    browser: WebDriver, address: str, made: tuple[Path, int]
) -> None:
    browser.get(address)
    begun = browser.current_url
    keys = 0

    def stroke(key: str, *, with_control: bool = False) -> None:
        nonlocal keys
        keys += 1
        chain = webdriver.ActionChains(browser)
        if with_control:
            chain.key_down(Keys.CONTROL).send_keys(key).key_up(Keys.CONTROL).perform()
        else:
            chain.send_keys(key).perform()

    stroke("n")  # from the list of documents to the least sure formula of all
    wait(browser, lambda b: b.current_url != begun and b.find_elements(By.ID, "latex"))
    formula = int(browser.find_element(By.ID, "review").get_attribute("data-formula"))
    stroke("e")
    press(browser, r"\Omega=42")  # the edit itself
    place = browser.current_url
    stroke(Keys.ENTER, with_control=True)
    wait(browser, lambda b: b.current_url != place)
    assert keys == 3
    with FormulaStore.open(made[0]) as store:
        of = "SELECT corrected_latex, status FROM formulas WHERE id = ?"
        assert store.connection.execute(of, (formula,)).fetchone() == (r"\Omega=42", "verified")
        store.undo_review(formula, "ada")


def test_formulas_are_split_and_merged_by_hand(browser: WebDriver, address: str, made: tuple[Path, int]) -> None:
    with FormulaStore.open(made[0], read_only=True) as store:
        of = "SELECT id FROM formulas WHERE page_number = 2 AND equation_number = '2.2'"
        (formula,) = store.connection.execute(of).fetchone()
    browser.get(f"{address}/formulas/{formula}")
    press(browser, "p")
    wait(browser, lambda b: b.switch_to.active_element.get_attribute("name") == "at")
    knife = browser.find_element(By.CSS_SELECTOR, ".knife")
    before = float(knife.get_attribute("x1"))
    press(browser, *[Keys.ARROW_RIGHT] * 4)
    assert float(knife.get_attribute("x1")) > before
    keep_picture(browser, "split")
    press(browser, Keys.TAB, Keys.ENTER)
    wait(browser, lambda b: f"formula={formula}" not in b.current_url and b.find_elements(By.ID, "latex"))
    assert "split" in browser.find_element(By.CLASS_NAME, "history").text
    left = int(browser.find_element(By.ID, "review").get_attribute("data-formula"))
    with FormulaStore.open(made[0], read_only=True) as store:
        right = left + 1
        assert [step["action"] for step in store.reviews(right)] == ["split"]
    press(browser, "m")
    for part in browser.find_elements(By.CSS_SELECTOR, "#merge input:checked"):
        part.send_keys(Keys.SPACE)
    browser.find_element(By.CSS_SELECTOR, f"a[data-formula='{right}'] rect").click()
    chosen = browser.find_elements(By.CSS_SELECTOR, "#merge input:checked")
    assert [part.get_attribute("value") for part in chosen] == [str(right)], "a click on a box chooses it"
    assert "joined" in browser.find_element(By.CSS_SELECTOR, f"a[data-formula='{right}'] rect").get_attribute("class")
    keep_picture(browser, "merge")
    browser.find_element(By.CSS_SELECTOR, "#merge button").send_keys(Keys.ENTER)
    wait(browser, lambda b: f"formula={left}" not in b.current_url and b.find_elements(By.ID, "latex"))
    assert browser.find_element(By.ID, "number").get_attribute("value") == "2.2"
    press(browser, "r")
    press(browser, "2.3", Keys.ENTER)
    wait(browser, lambda b: "(2.3)" in b.find_element(By.CSS_SELECTOR, ".panel h2").text)
    keep_picture(browser, "number")
    for _ in range(2):  # the number, then the merge
        place = browser.find_element(By.CLASS_NAME, "history").text
        press(browser, "u")
        wait(browser, lambda b, place=place: b.find_element(By.CLASS_NAME, "history").text != place)
    with FormulaStore.open(made[0]) as store:
        statuses = "SELECT status FROM formulas WHERE id IN (?, ?) ORDER BY id"
        assert "rejected" not in [row[0] for row in store.connection.execute(statuses, (left, right))]
        store.undo_review(left, "ada")


def test_the_queue_by_keys_alone(browser: WebDriver, address: str, made: tuple[Path, int]) -> None:
    browser.get(address)
    places = []
    for key in ("n", "a", "x"):
        press(browser, key)
        wait(browser, lambda b: "queue=1" in b.current_url and b.current_url not in places)
        places.append(browser.current_url)
    press(browser, "s")
    wait(browser, lambda b: b.current_url not in places)
    with FormulaStore.open(made[0], read_only=True) as store:
        ids = [int(place.split("formula=")[1].split("&")[0]) for place in places]
        of = "SELECT status FROM formulas WHERE id = ?"
        statuses = [store.connection.execute(of, (formula,)).fetchone()[0] for formula in ids]
        assert statuses == ["verified", "rejected", "suspect"]
    browser.get(places[1])
    press(browser, "u")
    wait(browser, lambda b: b.find_elements(By.CSS_SELECTOR, ".panel .status.suspect"))
    press(browser, "j")
    wait(browser, lambda b: b.current_url != places[1])


def test_what_is_typed_is_kept(browser: WebDriver, address: str, made: tuple[Path, int]) -> None:
    browser.get(f"{address}/formulas/{made[1]}")
    press(browser, "e")
    press(browser, "unsaved")
    browser.get(address)
    browser.get(f"{address}/formulas/{made[1]}")
    assert browser.find_element(By.ID, "latex").get_attribute("value") == "unsaved"
    press(browser, Keys.ESCAPE)
    assert browser.find_element(By.ID, "latex").get_attribute("value") == CORRECTION


def test_a_page_of_many_boxes_is_painted_at_once(browser: WebDriver, address: str) -> None:
    browser.get(f"{address}/documents/1/pages/1")
    wait(browser, picture_is_there)
    paints = []
    script = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    for _ in range(3):
        browser.get(f"{address}/documents/1/pages/1")
        paints.append(wait(browser, lambda b: b.execute_script(script)))
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg a")) > 35
    print(f"first paint {sorted(paints)} ms")
    assert min(paints) < 10 * _FIRST_PAINT_MS, "a busy machine may be slow, but not so slow"


def test_search_is_narrowed_down_by_counts(browser: WebDriver, address: str) -> None:
    browser.get(f"{address}/search?q=f(x)&status=any")
    counts = {link.text: link for link in browser.find_elements(By.CSS_SELECTOR, ".facets a")}
    assert {"display", "inline"} <= set(counts)
    keep_picture(browser, "search")
    before = len(browser.find_elements(By.CSS_SELECTOR, ".hits > li"))
    counts["display"].click()
    wait(browser, lambda b: "kind=display" in b.current_url and b.find_elements(By.CSS_SELECTOR, ".hits > li"))
    assert len(browser.find_elements(By.CSS_SELECTOR, ".hits > li")) < before
    current = browser.find_element(By.CSS_SELECTOR, ".facets [aria-current]")
    assert current.text == "display"


def test_what_a_hostile_document_holds_does_nothing(browser: WebDriver, tmp_path: Path, docproc: Docproc) -> None:
    database = tmp_path / "docproc.db"
    make_hostile(database)
    assert browser.get_log("browser") is not None  # what came before is not ours
    with served(database, HOSTILE) as place:
        count = len(HOSTILE_LATEX)
        paths = ["", "/documents/1", "/documents/1/pages/1", "/search?status=any", "/search?q=alert"]
        for path in [*paths, *(f"/formulas/{number}" for number in range(1, count + 1))]:
            browser.get(place + path)
            assert "alert(1)" in browser.page_source, path
            wait(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "html[data-drawn]"))
            assert_harmless(browser, place)
        # What is typed is drawn at once, by another way than what is stored.
        for latex in HOSTILE_LATEX[:6]:
            browser.get(f"{place}/formulas/2")
            wait(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "html[data-drawn]"))
            browser.execute_script(
                "const e = document.getElementById('latex'); e.value = arguments[0]; "
                "e.dispatchEvent(new Event('input'))",
                latex,
            )
            assert_harmless(browser, place)
            browser.execute_script("localStorage.clear()")
        blocked = [entry["message"] for entry in browser.get_log("browser") if "picture.png" not in entry["message"]]
        assert blocked == [], "not even the Content-Security-Policy had anything to do"
        browser.get("about:blank")  # nothing is asked of a server that ends
    page = tmp_path / "all.html"
    assert docproc("export", "--format", "html", "--status", "any", "-d", database, "-o", page).returncode == 0
    browser.get(page.as_uri())
    assert_harmless(browser, page.as_uri())


def assert_harmless(browser: WebDriver, place: str) -> None:
    """No script of the document ran, none is there, and nothing is loaded from or leads elsewhere."""
    with pytest.raises(WebDriverException):
        _ = browser.switch_to.alert.text  # there is none
    script = """
        const bad = [];
        for (const e of document.querySelectorAll('*')) {
          for (const a of e.attributes) {
            if (/^on/i.test(a.name)) bad.push(e.outerHTML);
            const leads = /^(href|src|xlink:href|action|formaction)$/i.test(a.name);
            if (leads && /^\\s*(javascript|data:text)/i.test(a.value)) bad.push(e.outerHTML);
          }
        }
        const isOurs = (address) => address.startsWith(arguments[0]);
        for (const e of document.querySelectorAll('script')) if (!isOurs(e.src)) bad.push(e.outerHTML);
        for (const e of performance.getEntriesByType('resource')) if (!isOurs(e.name)) bad.push(e.name);
        return bad
    """
    assert browser.execute_script(script, place) == []


def test_phone_and_dark(browser: WebDriver, address: str, made: tuple[Path, int]) -> None:
    try:
        metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
        for place in ("", "/documents/1", f"/formulas/{made[1]}", "/search?q=f(x)"):
            browser.get(address + place)
            width = browser.execute_script("return document.documentElement.scrollWidth")
            assert width <= 390, f"{place} is wider than the screen"
        browser.get(f"{address}/formulas/{made[1]}")
        background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert background == "rgb(20, 22, 26)"
        keep_picture(browser, "phone")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_everything_that_can_be_used_has_a_name(browser: WebDriver, address: str, made: tuple[Path, int]) -> None:
    for place in ("", "/documents/1", f"/formulas/{made[1]}", "/search?q=f(x)"):
        browser.get(address + place)
        browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
        for element in browser.find_elements(By.CSS_SELECTOR, "a, button, input:not([type=hidden]), textarea, select"):
            assert element.accessible_name, f"{place}: {element.get_attribute('outerHTML')}"
    wait(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "html[data-drawn]"))
    assert browser.find_elements(By.CSS_SELECTOR, ".katex-mathml math"), "formulas are there for screen readers"


def test_nothing_was_blocked_or_failed(browser: WebDriver) -> None:
    entries = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert entries == []
