"""Pictures of games: complete, honest about what is folded away, and without text on text."""

import re
import xml.etree.ElementTree as ET
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detente.axes import CHANCE, CHOICE, LEAF, ChanceMove, Infoset
from detente.errors import UsageError
from detente.model.compile import Draft, assemble, compile
from detente.model.draw import draw_tree, tree_text
from detente.model.language import crisis, players

SVG = "{http://www.w3.org/2000/svg}"
ALICE, BOB = players("Alice", "Bob")
ONE, TWO, THREE = players("1", "2", "3")
PATRON, PROTEGE, ADVERSARY = players("patron", "protege", "adversary")


@crisis(players=(ALICE, BOB))
def kuhn(g, p):
    """Kuhn poker."""
    deal = g.chance("deal", {mine + yours: Fraction(1, 6) for mine, yours in permutations("JQK", 2)})
    g.tell(ALICE, "card", deal[0])
    g.tell(BOB, "card", deal[1])
    better = 1 if "JQK".index(deal[0]) > "JQK".index(deal[1]) else -1
    if g.choose(ALICE, "open", ["check", "bet"], seen_by=BOB) == "bet":
        value = 1 if g.choose(BOB, "reply to bet", ["fold", "call"]) == "fold" else 2 * better
    elif g.choose(BOB, "reply to check", ["check", "bet"], seen_by=ALICE) == "check":
        value = better
    else:
        value = -1 if g.choose(ALICE, "answer", ["fold", "call"]) == "fold" else 2 * better
    return {ALICE: value, BOB: -value}


@crisis(players=(ONE, TWO, THREE))
def horse(g, p):
    """Selten's horse."""
    if g.choose(ONE, "first", ["down", "across"]) == "down":
        left = g.choose(THREE, "third", ["left", "right"]) == "left"
        return {ONE: 3, TWO: 3, THREE: 2} if left else {ONE: 0, TWO: 0, THREE: 0}
    if g.choose(TWO, "second", ["down", "across"]) == "down":
        left = g.choose(THREE, "third", ["left", "right"]) == "left"
        return {ONE: 4, TWO: 4, THREE: 0} if left else {ONE: 0, TWO: 0, THREE: 1}
    return {ONE: 1, TWO: 1, THREE: 1}


@crisis(players=(PATRON, PROTEGE, ADVERSARY))
def attacked(g, p):
    """A protege has been attacked."""
    g.chance("protege resolve", {"low": 1 - p.hawk, "high": p.hawk}, seen_by=PROTEGE)
    g.chance("adversary resolve", {"low": 1 - p.bold, "high": p.bold}, seen_by=ADVERSARY)
    messages = ["no conditions", "defence only", "strike alone", "red lines", "withhold defence"]
    message = g.choose(PATRON, "message", messages, seen_by=PROTEGE)
    public = g.choose(PATRON, "channel", ["private", "public"], seen_by=PROTEGE) == "public"
    press = {"silent": 1 - p.leak, "reports": p.leak}
    if public or g.chance("press", press, seen_by=(PATRON, PROTEGE)) == "reports":
        g.tell(ADVERSARY, "message", message)
    targets = ["none", "token and deniable strike", "military targets", "oil", "nuclear sites"]
    target = g.choose(PROTEGE, "retaliation", targets, seen_by=(PATRON, ADVERSARY))
    replies = ["none", "limited", "mass salvo", "widen the war"]
    war = False
    if g.choose(ADVERSARY, "reply", replies, seen_by=(PATRON, PROTEGE)) != "none":
        g.choose(PATRON, "involvement", ["defend only", "join", "press for a halt"], seen_by=PROTEGE)
        war = g.choose(PROTEGE, "next", ["stop", "war"]) == "war"
    return {PATRON: -p.strain * war, PROTEGE: p.security * (target != "none"), ADVERSARY: -p.cost * war}


@pytest.fixture(scope="module")
def poker():
    return compile(kuhn)


@pytest.fixture(scope="module")
def large():
    game = compile(attacked)
    assert 9_000 < game.num_nodes < 11_000
    return game


def some_probabilities(game, seed=0):
    """Random behaviour: the probability of the option that leads to each node."""
    rng = np.random.default_rng(seed)
    edge, known = np.ones(game.num_nodes), {}
    for node in np.flatnonzero(game.kind != LEAF):
        count, first = game.num_options[node], game.first_child[node]
        key = (game.infoset[node], game.chance[node])
        edge[first : first + count] = known.setdefault(key, rng.dirichlet(np.full(count, 0.6)))
    return edge


def reaches(game, edge):
    """Probability of each complete history, step by step."""
    found = []
    for node in game.leaf_nodes:
        product = 1.0
        while game.parent[node] >= 0:
            product *= edge[node]
            node = game.parent[node]
        found.append(product)
    return np.array(found)


def random_game(seed, num_nodes, labels):
    """A tree of random shape with the labels given, some of its nodes in one infoset."""
    rng = np.random.default_rng(seed)
    names = ("red", "green and rather long indeed", "<blue & co>")
    draft, known, open_ends = Draft(), {}, [(-1, 0)]
    while open_ends:
        parent, option = open_ends.pop()
        if len(draft.kind) + len(open_ends) >= num_nodes or (parent >= 0 and rng.random() < 0.2):
            draft.add(LEAF, parent, option, len(draft.payoffs))
            draft.payoffs.append(tuple(round(float(v), 2) for v in rng.normal(size=3)))
            draft.outcomes.append({})
            continue
        options = tuple(f"{labels[i % len(labels)]} {i}" for i in range(int(rng.integers(1, 6))))
        move = labels[int(rng.integers(len(labels)))]
        if rng.random() < 0.3:
            draft.chances.append(ChanceMove(move, options, ("?",) * len(options)))
            draft.chance_probabilities.append((1 / len(options),) * len(options))
            node = draft.add(CHANCE, parent, option, len(draft.chances) - 1)
        else:
            key = (int(rng.integers(3)), move, options)
            if key not in known or rng.random() < 0.3:
                known[key] = len(draft.infosets)
                draft.infosets.append(Infoset(key[0], move, options))
            node = draft.add(CHOICE, parent, option, known[key])
        open_ends += [(node, i) for i in reversed(range(len(options)))]
    return assemble(draft, title="A random game", players=names)


# -- reading a picture ---------------------------------------------------------------------------------------
def texts(picture):
    """(left, top, right, bottom, text) of every text, a character being 0.6 font sizes wide."""
    found = []

    def walk(element, dx, dy):
        shift = re.fullmatch(r"translate\((.+),(.+)\)", element.get("transform", ""))
        if shift:
            dx, dy = dx + float(shift[1]), dy + float(shift[2])
        if element.tag == f"{SVG}text":
            hover = element.find(f"{SVG}title")
            words = "".join(element.itertext())[len(hover.text or "") if hover is not None else 0 :]
            size = float(element.get("font-size"))
            width = 0.6 * size * len(words)
            left = dx + float(element.get("x")) - (width if element.get("text-anchor") == "end" else 0)
            base = dy + float(element.get("y"))
            found.append((left, base - 0.8 * size, left + width, base + 0.2 * size, words))
        for child in element:
            walk(child, dx, dy)

    walk(ET.fromstring(picture), 0.0, 0.0)
    return found


def overlaps(picture):
    """Pairs of texts that share a part of the picture, and texts that leave it."""
    svg = ET.fromstring(picture)
    width, height = float(svg.get("width")), float(svg.get("height"))
    found = texts(picture)
    pairs = [
        (a[4], b[4])
        for i, a in enumerate(found)
        for b in found[:i]
        if min(a[2], b[2]) - max(a[0], b[0]) > 0.1 and min(a[3], b[3]) - max(a[1], b[1]) > 0.1
    ]
    return pairs, [t for t in found if t[0] < 0 or t[1] < 0 or t[2] > width or t[3] > height]


def words_of(picture):
    return [t[4] for t in texts(picture)]


def stub_counts(words):
    return [int(m[1].replace(",", "")) for w in words if (m := re.match(r"… ([\d,]+) more", w))]


def num_ends(picture):
    return len(ET.fromstring(picture).findall(f".//{SVG}circle"))


# -- what is drawn -------------------------------------------------------------------------------------------
def test_every_history_of_a_small_game_is_drawn_with_its_payoffs(poker):
    picture = draw_tree(poker)
    assert num_ends(picture) == poker.num_leaves == 30
    words = words_of(picture)
    assert words.count("call") + words.count("fold") == 24
    assert [words.count(deal) for deal in ("JQ", "JK", "QJ", "QK", "KJ", "KQ")] == [1] * 6
    expected = [str(v).replace("-", "−") for leaf in range(30) for v in poker.payoff_formulas(leaf)]
    drawn = [w for w in words if re.fullmatch(r"−?[12]", w)]
    tags = [w for w in words if re.fullmatch(r"\d+", w)]
    assert drawn.count("−2") == expected.count("−2") and drawn.count("−1") == expected.count("−1")
    assert tags.count("12") == 2  # two nodes share the last infoset
    assert "All 30 complete histories are shown." in words


def test_picture_is_valid_xml_that_scales_and_can_be_read_aloud(poker):
    svg = ET.fromstring(draw_tree(poker, title="A title"))
    assert svg.tag == f"{SVG}svg" and svg.get("role") == "img"
    assert svg.get("viewBox") == f"0 0 {svg.get('width')} {svg.get('height')}"
    title, desc = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
    assert title.text == "A title" and "Alice, Bob" in desc.text
    assert svg.get("aria-labelledby").split() == [title.get("id"), desc.get("id")]


def test_pictures_on_one_page_have_names_of_their_own(poker):
    names = {re.search(r'labelledby="(\S+)', draw_tree(g))[1] for g in (poker, compile(horse))}
    assert len(names) == 2
    assert draw_tree(poker) == draw_tree(poker)


def test_histories_that_a_player_cannot_tell_apart_stand_in_one_column_and_are_joined():
    root = ET.fromstring(draw_tree(compile(horse)))
    boxes = [g for g in root.iter(f"{SVG}g") if "third" in [t.text for t in g.findall(f"{SVG}text")]]
    assert len(boxes) == 2
    assert len({g.find(f"{SVG}rect").get("x") for g in boxes}) == 1
    assert [g.findall(f"{SVG}text")[-1].text for g in boxes] == ["1", "1"]
    assert len([p for p in root.iter(f"{SVG}path") if "dt-i" in p.get("class")]) == 1


def test_a_chain_of_moves_with_one_option_is_drawn():
    @crisis(players=(ALICE,))
    def chain(g, p):
        """A chain."""
        for step in range(5):
            g.choose(ALICE, f"step {step}", ["on"])
        return {ALICE: 0}

    words = words_of(draw_tree(compile(chain)))
    assert words.count("on") == 5 and {f"step {i}" for i in range(5)} <= set(words)


def test_a_game_with_one_history_and_no_move_is_drawn():
    @crisis(players=(ALICE,))
    def over(g, p):
        """Over before it begins."""
        return {ALICE: 7}

    picture = draw_tree(compile(over), edge_probability=[1.0])
    assert num_ends(picture) == 1 and "7" in words_of(picture) and overlaps(picture) == ([], [])
    assert tree_text(compile(over)).splitlines()[1] == "■ Alice: 7"


def test_infosets_that_each_come_before_the_other_do_not_hang_the_layout():
    draft = Draft()
    for name in ("a", "b"):
        draft.infosets.append(Infoset("ab".index(name), name, ("x",)))
    draft.chances.append(ChanceMove("start", ("l", "r"), ("1/2", "1/2")))
    draft.chance_probabilities.append((0.5, 0.5))
    root = draft.add(CHANCE, -1, 0, 0)
    for side, order in enumerate(((0, 1), (1, 0))):
        node, option = root, side
        for infoset in order:
            node, option = draft.add(CHOICE, node, option, infoset), 0
        draft.add(LEAF, node, 0, len(draft.payoffs))
        draft.payoffs.append((0, 0))
        draft.outcomes.append({})
    assert num_ends(draw_tree(assemble(draft, title="Crossed", players=["a", "b"]))) == 2


# -- what is folded away -------------------------------------------------------------------------------------
@pytest.mark.parametrize("max_leaves", [1, 7, 30])
def test_the_likeliest_histories_are_shown_and_everything_else_is_counted(large, max_leaves):
    edge = some_probabilities(large)
    picture = draw_tree(large, edge_probability=edge, max_leaves=max_leaves)
    words = words_of(picture)
    assert num_ends(picture) == max_leaves
    assert sum(stub_counts(words)) + max_leaves == large.num_leaves
    best = np.sort(reaches(large, edge))[::-1][:max_leaves]
    shown = [w for w in words if re.fullmatch(r"\d+(\.\d)?\N{NO-BREAK SPACE}%", w)]
    assert len(shown) == max_leaves
    values = sorted((float(w[:-2]) for w in shown), reverse=True)
    assert values == pytest.approx(100 * best, abs=0.51)
    count = f"{max_leaves} of {large.num_leaves:,} complete histories are shown"
    (caption,) = [w for w in words if w.startswith(count)]
    assert f"they carry {100 * best.sum():.{0 if best.sum() > 0.0995 else 1}f}\N{NO-BREAK SPACE}%" in caption


def test_what_is_shown_and_what_is_folded_away_make_up_all_of_the_probability(large):
    words = words_of(draw_tree(large, edge_probability=some_probabilities(large), max_leaves=5))
    shares = [m[1] for w in words if (m := re.search(r"(?:^|more, )([\d.]+)\s%$", w))]
    assert sum(map(float, shares)) == pytest.approx(100, abs=0.06 * len(words))


def test_histories_that_are_equally_likely_are_shown_in_their_order():
    @crisis(players=(ALICE,))
    def wide(g, p):
        """Many options."""
        return {ALICE: int(g.choose(ALICE, "pick", [str(i) for i in range(100)]))}

    text = tree_text(compile(wide), [1.0] + [0.01] * 100, 5)
    assert re.findall(r"─ (\d+) ", text) == ["0", "1", "2", "3", "4"]
    assert "└─ … 95 more, 95\N{NO-BREAK SPACE}%" in text


def test_unlikely_histories_are_folded_away_when_asked(large):
    edge = some_probabilities(large)
    expected = int((reaches(large, edge) >= 0.01).sum())
    assert 0 < expected < 30
    picture = draw_tree(large, edge_probability=edge, min_probability=0.01)
    assert num_ends(picture) == expected
    assert "none below 1.0\N{NO-BREAK SPACE}%" in " ".join(words_of(picture))


def test_a_small_tree_is_folded_only_when_asked(poker):
    assert num_ends(draw_tree(poker, max_leaves=30)) == 30
    edge = some_probabilities(poker)
    picture = draw_tree(poker, edge_probability=edge, max_leaves=4)
    assert num_ends(picture) == 4 and sum(stub_counts(words_of(picture))) == 26


@pytest.mark.parametrize("max_leaves", [1, 3, 30, 200])
def test_without_probabilities_a_large_tree_is_cut_by_depth_and_says_so(large, max_leaves):
    picture = draw_tree(large, max_leaves=max_leaves)
    words = words_of(picture)
    assert num_ends(picture) + sum(stub_counts(words)) == large.num_leaves
    rows = num_ends(picture) + len(stub_counts(words))
    assert rows <= max_leaves + 1
    assert "without probabilities it is cut by depth" in " ".join(words)
    assert not any("%" in w for w in words)


def test_large_game_makes_a_small_file(large):
    numbers = np.random.default_rng(1).normal(size=(large.num_leaves, 3))
    picture = draw_tree(large, edge_probability=some_probabilities(large), payoffs=numbers)
    assert len(picture.encode()) < 300_000


# -- what is written -----------------------------------------------------------------------------------------
def test_names_are_escaped_and_control_characters_do_not_break_the_file():
    game = random_game(3, 20, ['a <b> & "c"', "]]>\x00\x1b\ud800", "]]>"])
    picture = draw_tree(game, title='<script>alert("&")</script>')
    svg = ET.fromstring(picture)
    assert svg.find(f"{SVG}title").text == '<script>alert("&")</script>'
    assert "<script" not in picture and "\x00" not in picture
    assert any('a <b> & "c"' in w for w in words_of(picture))
    picture.encode("utf-8")


def test_a_long_label_is_shortened_and_kept_in_full(large):
    picture = draw_tree(large, edge_probability=some_probabilities(large), max_leaves=200)
    full = "token and deniable strike"
    shortened = [w for w in words_of(picture) if w.startswith("token and deniable") and "…" in w]
    assert shortened and full not in " ".join(words_of(picture))
    assert full in {t.text for t in ET.fromstring(picture).iter(f"{SVG}title")}


def test_long_payoff_formulas_are_left_out_and_the_picture_says_so():
    @crisis(players=(ALICE,))
    def wordy(g, p):
        """A game with long formulas."""
        g.choose(ALICE, "move", ["a", "b"])
        return {ALICE: sum(p[f"a_rather_long_parameter_{i}"] for i in range(5))}

    words = words_of(draw_tree(compile(wordy)))
    assert not any("a_rather_long" in w for w in words)
    assert "The payoffs are formulas too long to print here." in words


def test_numbers_given_as_payoffs_are_printed_at_their_leaves():
    numbers = np.arange(15).reshape(5, 3) / 8 - 1
    words = words_of(draw_tree(compile(horse), payoffs=numbers))
    assert {"−1", "−0.875", "0.125", "0.75"} <= set(words)
    wide = words_of(draw_tree(compile(horse), payoffs=numbers * 99_999))
    assert "−99,999" in wide


@pytest.mark.parametrize("theme_css", [True, False])
def test_colours_follow_the_reader_only_with_the_theme(poker, theme_css):
    picture = draw_tree(poker, theme_css=theme_css)
    assert ("prefers-color-scheme:dark" in picture) is theme_css
    assert ("@media print" in picture) is theme_css
    assert "system-ui, sans-serif" in picture


# -- highlighting --------------------------------------------------------------------------------------------
def marked(picture):
    return [p for p in ET.fromstring(picture).iter(f"{SVG}path") if "dt-h" in p.get("class", "")]


def test_a_highlighted_history_is_emphasised_and_shown_although_it_is_unlikely(large):
    edge = some_probabilities(large)
    reach = reaches(large, edge)
    path = large.history(int(large.leaf_nodes[reach.argmin()]))
    picture = draw_tree(large, edge_probability=edge, max_leaves=6, highlight=path)
    assert len(marked(picture)) == len(path) and num_ends(picture) == 6
    assert "and the highlighted one" in " ".join(words_of(picture))
    assert marked(draw_tree(large, edge_probability=edge)) == []


def test_the_beginning_of_a_history_can_be_highlighted(large):
    start = [("protege resolve", "low"), ("adversary resolve", "high")]
    for edge in (None, some_probabilities(large)):
        assert len(marked(draw_tree(large, edge_probability=edge, highlight=start, max_leaves=2))) == 2


@pytest.mark.parametrize(
    ("highlight", "complaint"),
    [
        ([("message", "red lines")], "at the start, where the move is 'protege resolve'. Give every move"),
        ([("protege resolve", "hihg")], "'hihg', which is no option of 'protege resolve'.*mean 'high'"),
        ([("protege resolve", "low"), ("press", "silent")], r"after \[protege resolve = low\]"),
        (["low"], r"Give pairs \(move, option\)"),
    ],
)
def test_a_highlighted_history_that_does_not_exist_is_reported_with_its_place(large, highlight, complaint):
    with pytest.raises(UsageError, match=complaint):
        draw_tree(large, highlight=highlight)


def test_highlighting_beyond_the_end_is_reported():
    path = [("first", "down"), ("third", "left"), ("fourth", "up")]
    with pytest.raises(UsageError, match="where the game is over"):
        draw_tree(compile(horse), highlight=path)


# -- bad input -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda e: e[:-1], r"shape \(54,\), and the game needs \(55,\)"),
        (lambda e: np.where(np.arange(55) == 8, np.nan, e), r"step to \[deal = JQ, open = bet\] is nan"),
        (lambda e: np.where(np.arange(55) == 8, -0.1, e), r"is -0.1. Give numbers in \[0, 1\]"),
        (
            lambda e: np.where(np.arange(55) == 8, 0.0, e),
            r"after \[deal = JQ\] the probabilities of 'open' sum to",
        ),
        (lambda e: ["x"] * 55, "not an array of numbers"),
    ],
)
@pytest.mark.parametrize("draw", [lambda g, e: draw_tree(g, edge_probability=e), tree_text])
def test_probabilities_that_are_not_those_of_the_game_are_reported(poker, change, complaint, draw):
    with pytest.raises(UsageError, match=complaint):
        draw(poker, change(some_probabilities(poker)))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"max_leaves": 0}, "max_leaves is 0. Give a whole number"),
        ({"max_leaves": 2.5}, "max_leaves is 2.5"),
        ({"min_probability": 0.1}, "without probabilities. Give edge_probability"),
        ({"min_probability": float("nan")}, "min_probability is nan"),
        ({"payoffs": np.zeros((30, 3))}, r"payoffs has shape \(30, 3\), and the game needs \(30, 2\)"),
        ({"payoffs": np.full((30, 2), np.inf)}, r"payoff of Alice at \[deal = JQ.* is inf. Give finite"),
    ],
)
def test_arguments_that_make_no_sense_are_reported(poker, arguments, complaint):
    with pytest.raises(UsageError, match=complaint):
        draw_tree(poker, **arguments)


# -- layout --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("max_leaves", [3, 30, 120])
@pytest.mark.parametrize("likely", [True, False])
def test_no_text_stands_on_another_in_a_large_game(large, likely, max_leaves):
    edge = some_probabilities(large) if likely else None
    assert overlaps(draw_tree(large, edge_probability=edge, max_leaves=max_leaves)) == ([], [])


@pytest.mark.parametrize("rules", [kuhn, horse], ids=lambda c: c.name)
@pytest.mark.parametrize("likely", [True, False])
def test_no_text_stands_on_another_in_a_textbook_game(rules, likely):
    game = compile(rules)
    edge = some_probabilities(game) if likely else None
    path = game.history(int(game.leaf_nodes[-1]))
    assert overlaps(draw_tree(game, edge_probability=edge, highlight=path)) == ([], [])


LABELS = st.text(st.characters(max_codepoint=0x2FFF), min_size=1, max_size=40)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_nodes=st.integers(1, 150),
    labels=st.lists(LABELS, min_size=1, max_size=5, unique=True),
    likely=st.booleans(),
    max_leaves=st.integers(1, 60),
)
def test_any_game_is_drawn_completely_and_without_text_on_text(seed, num_nodes, labels, likely, max_leaves):
    game = random_game(seed, num_nodes, labels)
    edge = some_probabilities(game, seed) if likely else None
    picture = draw_tree(game, edge_probability=edge, max_leaves=max_leaves, title=labels[0])
    assert overlaps(picture) == ([], [])
    folded = sum(stub_counts(w for w in words_of(picture) if re.fullmatch(r"… [\d,]+ more(, .*%)?", w)))
    assert num_ends(picture) + folded == game.num_leaves


# -- as text -------------------------------------------------------------------------------------------------
def test_text_tells_the_same_as_the_picture(large):
    edge = some_probabilities(large)
    text = tree_text(large, edge, 12)
    picture = draw_tree(large, edge_probability=edge, max_leaves=12)
    lines = text.splitlines()
    stubs = sorted(re.search(r"… .*", line)[0] for line in lines if "more" in line)
    assert stubs == sorted(w for w in words_of(picture) if w.startswith("…"))
    assert sum("■" in line for line in lines) == num_ends(picture) == 12
    assert lines[-1] in words_of(picture)


def test_text_of_a_small_game_is_as_people_would_write_it():
    edge = np.array([1, 0.4, 0.6, 0.5, 0.5, 1, 0, 0.5, 0.5])
    assert tree_text(compile(horse), edge).replace("\N{NO-BREAK SPACE}", " ").splitlines() == [
        "Selten's horse.",
        "1: first",
        "├─ down 40 % → 3: third [1]",
        "│  ├─ left 50 % ■ 20 %  1: 3, 2: 3, 3: 2",
        "│  └─ right 50 % ■ 20 %  1: 0, 2: 0, 3: 0",
        "└─ across 60 % → 2: second",
        "   ├─ down 100 % → 3: third [1]",
        "   │  ├─ left 50 % ■ 30 %  1: 4, 2: 4, 3: 0",
        "   │  └─ right 50 % ■ 30 %  1: 0, 2: 0, 3: 1",
        "   └─ across 0 % ■ 0 %  1: 1, 2: 1, 3: 1",
        "All 5 complete histories are shown.",
    ]
