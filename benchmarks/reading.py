"""Measure how fast and how well reports are read, beside newspaper4k and readability on the same generated pages.

Usage: uv run python benchmarks/reading.py [--pages N] [--no-peers]

The pages are made here from a fixed seed: an article of known words among navigation, scripts, lists of other
articles, comments and a footer. Quality is counted in runs of four words: how many of the article's are found
(recall), and how many of what is found are the article's (precision). Peers run through `uv run --with`.
"""

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from processes import UV, run
from tables import say

HERE = Path(__file__).resolve().parent
SEED = 7
SIZES = ((2, 4), (4, 7), (6, 12), (14, 24), (30, 50))
ACTORS = (
    "Washington",
    "Tehran",
    "Israel",
    "Beijing",
    "Taipei",
    "India",
    "Pakistan",
    "Moscow",
    "Kyiv",
    "Manila",
    "Havana",
)
VERBS = ("warned", "told", "asked", "accused", "condemned", "urged", "attacked", "struck", "blockaded", "sanctioned")
THINGS = ("ballistic missiles", "ships", "aircraft", "drones", "soldiers", "tankers", "prisoners", "batteries")
WHEN = ("on Monday", "over the weekend", "on October 3", "last week", "two days ago", "in April", "overnight")
TAILS = (
    "a senior official said", "according to two people familiar with the talks", "the foreign ministry announced",
    "although no decision had been taken", "while allies called for restraint", "in response to a raid on the border",
)  # fmt: skip
MENU = ("Home", "World", "Politics", "Business", "Sport", "Weather", "Culture", "Video", "Opinion", "Travel")
OTHER = (
    "Ten ways to cook beans",
    "Ferry fares to rise again",
    "Local team wins cup",
    "Markets close higher",
    "New park opens",
)


def sentence(rng: random.Random) -> str:
    a, b = rng.sample(ACTORS, 2)
    number = rng.randint(2, 400)
    form = rng.randrange(4)
    if form == 0:
        return f"{a} {rng.choice(VERBS)} {b} {rng.choice(WHEN)}, {rng.choice(TAILS)}."
    if form == 1:
        things = f"{number} {rng.choice(THINGS)} from {a}"
        return f"At least {things} had crossed the line near {b} {rng.choice(WHEN)}, {rng.choice(TAILS)}."
    if form == 2:
        speaker = f"the government of {a} said in a statement {rng.choice(WHEN)}"
        return f"“We will answer the measures of {b} in our own time,” {speaker}."
    moved = f"about {number} {rng.choice(THINGS)} were moved {rng.choice(WHEN)}"
    return f"The exchange between {a} and {b} has raised fears of a wider conflict, and {moved}."


def page(rng: random.Random, number: int, num_paragraphs: tuple[int, int] = (6, 12)) -> tuple[str, str]:
    """A page and the words of its article."""
    paragraphs = [
        " ".join(sentence(rng) for _ in range(rng.randint(2, 4))) for _ in range(rng.randint(*num_paragraphs))
    ]
    body = "\n".join(f"<p>{p}</p>" for p in paragraphs)
    menu = "".join(f'<li><a href="/{w.lower()}">{w}</a></li>' for w in MENU)
    others = "".join(f'<li><a href="/{i}">{rng.choice(OTHER)}</a></li>' for i in range(12))
    scripts = "".join(f"<script>var a{i} = {rng.random()}; window.track(a{i});</script>" for i in range(30))
    comments = "".join(
        f"<div class='comment'><p>Reader {i}: I do not agree with a word of it.</p></div>" for i in range(8)
    )
    html = f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Report {number} on the exchange</title>
<meta name="author" content="Ada Roe">
<meta property="article:published_time" content="2024-10-{number % 27 + 1:02d}T08:00:00Z">
{scripts}</head><body><header><nav><ul>{menu}</ul></nav></header><div class="share">Share on Facebook Tweet Email</div>
<main><article><h1>Report {number} on the exchange</h1><p class="byline">By Ada Roe</p>{body}</article></main>
<aside><h3>Related articles</h3><ul>{others}</ul></aside><section id="comments"><h3>Leave a Reply</h3>{comments}
<form><label>Your email address will not be published</label><input></form></section>
<footer><ul>{menu}</ul><p>Copyright. All rights reserved.</p></footer>{scripts}</body></html>"""
    return html, "\n".join(paragraphs)


def runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[i : i + 4]) for i in range(len(words) - 3)}


def quality(found: str, truth: str) -> tuple[float, float]:
    got, wanted = runs(found), runs(truth)
    shared = len(got & wanted)
    return shared / max(1, len(wanted)), shared / max(1, len(got))


def measure(extract_fn: Callable[[str], str], folder: Path) -> dict:
    """Seconds of CPU time per page, and the quality of what was extracted."""
    pages = sorted(folder.glob("*.html"))
    texts = [p.read_text(encoding="utf-8") for p in pages]
    extract_fn(texts[0])  # what is loaded or compiled once is not counted
    start = time.process_time()
    found = [extract_fn(text) for text in texts]
    seconds = time.process_time() - start
    scores = [
        quality(f, p.with_suffix(".truth").read_text(encoding="utf-8")) for f, p in zip(found, pages, strict=True)
    ]
    return {
        "per_second": len(pages) / seconds,
        "recall": sum(r for r, _ in scores) / len(scores),
        "precision": sum(p for _, p in scores) / len(scores),
    }


def peer_newspaper(html: str) -> str:
    import newspaper

    article = newspaper.Article("https://example.org/a", fetch_images=False)
    article.download(input_html=html)
    article.parse()
    return article.text


def peer_readability(html: str) -> str:
    import lxml.html
    from readability import Document

    return lxml.html.fromstring(Document(html).summary()).text_content()


PEERS = {
    "newspaper4k": ("newspaper4k lxml_html_clean", peer_newspaper),
    "readability": ("readability-lxml", peer_readability),
}


def run_peer(name: str, folder: Path) -> dict | None:
    """A peer in a process of its own with its package; None where it cannot be had."""
    command = [UV, "run", "--no-project", "--python", sys.executable]
    for package in PEERS[name][0].split():
        command += ["--with", package]
    command += ["python", str(HERE / "reading.py"), "--peer", name, str(folder)]
    try:
        return json.loads(run(command, limit=600))
    except RuntimeError as problem:
        say(f"({name}: {problem})")
        return None


def whole_reading(inputs: Sequence[tuple[str, Callable[[], bytes]]], *, repeats: int = 3) -> float:
    """Documents per second of CPU time, from bytes to drafts: extraction, dates, copies, events, drafts.

    The best of several repeats counts: on a shared machine the others measure its neighbours.
    """
    from detente.record.ledger import load_ledger
    from detente.record.reading import Batch, Settings, lexicon, read_batch

    ledger = load_ledger(HERE.parent / "src/detente/scenarios/october-2024/record")
    settings = Settings(lexicon(roles={"patron": "United States", "protege": "Israel", "adversary": "Iran"}), ledger)
    read_batch(inputs[:2], settings)
    taken = []
    batch = Batch((), (), ())
    for _ in range(repeats):
        start = time.process_time()
        batch = read_batch(inputs, settings)
        taken.append(time.process_time() - start)
    drafts = sum(len(r.drafts) for r in batch.readings)
    print(
        f"{len(batch.readings)} of {len(inputs)} read, {drafts} drafts, {len(batch.failures)} failures", file=sys.stderr
    )
    return len(inputs) / min(taken)


def by_size(num_pages: int) -> None:
    """Documents per second for articles of different lengths."""
    print("\n| paragraphs | words of the article (median) | documents per second and core |\n|---|---|---|")
    for low, high in SIZES:
        rng = random.Random(SEED)
        pages = [page(rng, n, (low, high)) for n in range(num_pages)]
        words = sorted(len(truth.split()) for _, truth in pages)[num_pages // 2]
        inputs = [(f"{n}.html", html.encode) for n, (html, _) in enumerate(pages)]
        print(f"| {low}–{high} | {words} | {whole_reading(inputs):.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--peer", nargs=2, metavar=("NAME", "FOLDER"))
    given = parser.parse_args()
    if given.peer:
        name, folder = given.peer
        print(json.dumps(measure(PEERS[name][1], Path(folder))))
        return
    with tempfile.TemporaryDirectory() as made:
        folder, rng = Path(made), random.Random(SEED)
        for n in range(given.pages):
            html, truth = page(rng, n)
            (folder / f"{n:04d}.html").write_text(html, encoding="utf-8")
            (folder / f"{n:04d}.truth").write_text(truth, encoding="utf-8")
        from detente.record.reading import read_document

        rows = {"detente (extraction alone)": measure(lambda html: read_document("p", html.encode()).body, folder)}
        for name in () if given.no_peers else PEERS:
            rows[name] = run_peer(name, folder) or {}
        print("\n| | pages per second and core | recall | precision |\n|---|---|---|---|")
        for name, row in rows.items():
            cells = (
                " | ".join(f"{row[k]:.{d}f}" for k, d in (("per_second", 0), ("recall", 3), ("precision", 3)))
                if row
                else "– | – | –"
            )
            print(f"| {name} | {cells} |")
        inputs = [(p.name, p.read_bytes) for p in sorted(folder.glob("*.html"))]
        print(f"\nFrom bytes to drafts: {whole_reading(inputs):.0f} documents per second and core.")
    by_size(min(given.pages, 40))


if __name__ == "__main__":
    main()
