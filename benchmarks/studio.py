"""How quickly the studio answers: start, first pages, sliders while many worlds are solved behind, and a real browser.

    uv run python benchmarks/studio.py [--moves 60] [--browser]

With ``--browser`` a slider is moved in Chromium, and the time is taken from the move to the new numbers on the page; it
needs Playwright and a Chromium. Figures of a busy machine are too high.
"""

import argparse
import http.client
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from test_server_crash import Server

SCENARIO = "october-2024"
PAUSE = 0.15  # seconds between questions: the server refuses more than sixty in three seconds


def ask(port: int, path: str, accept: str = "*/*") -> tuple[float, int]:
    """Seconds that a page took, and its status; a browser accepts HTML, and is shown a page while it waits."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return time.perf_counter() - start, answer.status


def spread(times: list[float]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(times)
    last = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {"median_ms": round(1000 * statistics.median(ordered), 1), "p95_ms": round(1000 * last, 1)}


def slide(port: int, moves: int, low: float) -> list[float]:
    """Seconds of each of some moves of a slider, none of which has been asked before."""
    found = []
    for index in range(moves):
        seconds, status = ask(port, f"/explore/{SCENARIO}/forecast?policy=red-lines&p.leak={low + 0.1 * index / moves}")
        if status != 200:
            raise SystemExit(f"studio: a slider was answered {status}")
        found.append(seconds)
        time.sleep(PAUSE)
    return found


def solve_worlds(port: int, stop: threading.Event) -> None:
    """Ask for many worlds again and again, each time around another setting."""
    index = 0
    while not stop.is_set():
        index += 1
        for _ in range(20):
            ask(port, f"/explore/{SCENARIO}/ranges?p.leak_share={0.41 + 0.0003 * index}")
            time.sleep(PAUSE)
            if stop.is_set():
                return


def in_browser(home: str, moves: int) -> list[float]:
    """Seconds from a key on a slider to the new forecast on the page."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = opened.new_page()
        tab.goto(f"{home}/explore/{SCENARIO}", timeout=120_000)
        found = tab.evaluate(
            """async (moves) => {
              const slider = document.getElementById("s-protege_hawk");
              const times = [];
              for (let i = 0; i < moves; i += 1) {
                const before = document.body.dataset.answered;
                slider.value = 0.3 + (0.4 * (i + 0.5)) / moves;
                const start = performance.now();
                slider.dispatchEvent(new Event("input", { bubbles: true }));
                while (document.body.dataset.answered === before) await new Promise(requestAnimationFrame);
                times.push((performance.now() - start) / 1000);
                await new Promise((go) => setTimeout(go, 150));
              }
              return times;
            }""",
            moves,
        )
        opened.close()
    return found


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--browser", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        server = Server(Path(folder) / "x.sqlite", bots=True)
        try:
            ask(server.port, "/explore")
            print(json.dumps({"what": "start to the first page", "s": round(time.perf_counter() - start, 2)}))
            seconds, _ = ask(server.port, f"/explore/{SCENARIO}", "text/html")
            print(json.dumps({"what": "October as a browser is shown it at first", "s": round(seconds, 2)}))
            seconds, _ = ask(server.port, f"/explore/{SCENARIO}")
            print(json.dumps({"what": "and then its forecast (written out once)", "s": round(seconds, 2)}))
            seconds, _ = ask(server.port, f"/record/{SCENARIO}")
            print(json.dumps({"what": "first record page", "s": round(seconds, 2)}))
            ask(server.port, f"/explore/{SCENARIO}/ranges")  # the other process is ready when it has answered
            slide(server.port, 5, 0.61)
            print(json.dumps({"what": "slider to forecast", **spread(slide(server.port, chosen.moves, 0.621))}))
            stop = threading.Event()
            behind = threading.Thread(target=solve_worlds, args=(server.port, stop))
            behind.start()
            try:
                busy = slide(server.port, chosen.moves, 0.751)
            finally:
                stop.set()
                behind.join()
            print(json.dumps({"what": "slider to forecast, many worlds solved behind", **spread(busy)}))
            if chosen.browser:
                home = f"http://127.0.0.1:{server.port}"
                print(json.dumps({"what": "slider to page, in Chromium", **spread(in_browser(home, chosen.moves))}))
        finally:
            server.kill()


if __name__ == "__main__":
    main()
