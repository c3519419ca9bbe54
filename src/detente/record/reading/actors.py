"""Who is meant: names, adjectives, offices and persons of a report, each led back to one actor."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from detente.errors import ScenarioError, nearest
from detente.record.reading.words import APOSTROPHES, Token, tokens, verb_forms, word_set

TABLE = Path(__file__).with_name("actors.toml")
KEYS = ("aliases", "adjectives", "leaders", "people", "shared", "surname_first")
TITLES = word_set(
    """
    president vice prime premier chancellor king prince queen emperor minister deputy secretary foreign defence
    defense national security adviser advisor general gen. lt. maj. col. adm. admiral colonel major commander
    chief speaker ambassador senator sen. rep. governor spokesman spokeswoman spokesperson envoy director state
    chairman supreme leader ayatollah marshal of staff the mr. mrs. ms. dr. sir interior finance press us
    treasury army navy representative permanent head captain lieutenant brigadier brig. sheikh
    """
)
OFFICES = TITLES - {"us", "of", "the", "national", "security", "foreign", "state", "staff", "vice", "press", "treasury"}
HEADS = word_set(
    """
    official officials analyst analysts expert experts source sources diplomat diplomats spokesman spokeswoman
    spokesperson commander commanders lawmaker lawmakers resident residents witness witnesses authorities
    leaders allies ally aide aides adviser advisers advisor advisors observers economists historians traders
    investigators minister ministers president envoy negotiators mediators officer officers ambassador scholars
    protesters insurers shippers
    """
)
BODIES = word_set(
    """
    government military army navy ministry forces troops guard coastguard guards administration cabinet
    parliament air-force police warships jets aircraft fighters bombers delegation regime officials defences
    defenses intelligence media embassy command generals lawmakers side team fleet soldiers submarines vessels
    ships
    """
)
MODIFIERS = word_set(
    """
    senior top unnamed anonymous former western eastern regional local military defence defense intelligence
    government administration foreign security state independent other some several many two three four both
    most un european arab second third air coast naval health port shipping industry political allied outside
    opposition border civil another one a an the white house named world key high-ranking high-level
    """
)


class Mention(NamedTuple):
    """Somebody in the text: which actor, which person, by what kind of name, and where."""

    actor: str
    person: str
    kind: str
    start: int
    end: int
    text: str
    first: int = 0
    last: int = 0

    @property
    def name(self) -> str:
        """The person if one is named, else the actor."""
        return self.person or self.actor


@dataclass(frozen=True)
class Lexicon:
    """Every known name, cut into words and found by its first; and who plays which part in the scenario."""

    names: Mapping[str, tuple[tuple[tuple[str, ...], "Entry"], ...]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    actors: tuple[str, ...] = ()
    shared: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def role_of(self) -> Mapping[str, str]:
        """Which role an actor plays in the scenario."""
        return {actor: role for role, actor in self.roles.items()}


@dataclass(frozen=True)
class Entry:
    """What a name stands for."""

    actor: str
    person: str
    kind: str
    needs_full_name: bool = False


def read_table(path: Path) -> dict[str, dict[str, list[str]]]:
    """Read a file of actors and their names.

    Args:
        path: A TOML file with tables ``[actors.NAME]`` of ``aliases``, ``adjectives``, ``leaders`` and ``people``,
            and a table ``[outlets]`` of ``names``.

    Returns:
        What is known of each actor; the outlets stand under the empty name.

    Raises:
        ScenarioError: If the file cannot be read, or holds a key or a value that does not belong there.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScenarioError(f"{path}: there is no such file. Correct the name, or leave it out.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: this is not TOML in UTF-8: {error}. Correct that place.") from None
    for key in data:
        if key not in ("actors", "outlets"):
            hint = nearest(key, ("actors", "outlets"))
            raise ScenarioError(f"{path}: [{key}] is not a known table.{hint} Use [actors.NAME] and [outlets].")
    found: dict[str, dict[str, list[str]]] = {}
    for name, entry in data.get("actors", {}).items():
        found[name] = _checked(path, f"actors.{name}", entry, KEYS)
    found[""] = _checked(path, "outlets", data.get("outlets", {}), ("names",))
    return found


def _checked(path: Path, where: str, entry: object, keys: Sequence[str]) -> dict[str, list[str]]:
    if not isinstance(entry, dict):
        raise ScenarioError(f"{path}, {where}: {entry!r} is not a table. Write [{where}] with lists of names below it.")
    for key, names in entry.items():
        if key not in keys:
            raise ScenarioError(
                f"{path}, {where}: {key!r} is not a known key.{nearest(key, keys)} Use {', '.join(keys)}."
            )
        if not isinstance(names, list) or not all(isinstance(n, str) and n.strip() for n in names):
            raise ScenarioError(
                f"{path}, {where}.{key}: {names!r} is not a list of names. Write for example ['Cairo']."
            )
    return entry


def lexicon(extra: Iterable[Path] = (), roles: Mapping[str, str] | None = None) -> Lexicon:
    """The names that reports use for actors: those that come with the package, and a scenario's own.

    Args:
        extra: Files of the same form as the package's ``actors.toml``; a later one may move a name.
        roles: Who plays which role in the scenario, as its ``[who]`` says: role → actor.

    Returns:
        The lexicon.

    Raises:
        ScenarioError: If a file is wrong.

    Example:
        >>> known = lexicon(roles={"patron": "United States"})
        >>> [m.actor for m in find_mentions("Washington warned Tehran.", known)]
        ['United States', 'Iran']
    """
    return _lexicon(tuple(extra), tuple(sorted((roles or {}).items())))


@cache
def _lexicon(extra: tuple[Path, ...], roles: tuple[tuple[str, str], ...]) -> Lexicon:
    entries: dict[tuple[str, ...], Entry] = {}
    actors: dict[str, None] = {}
    merged = [item for path in (TABLE, *extra) for item in read_table(path).items()]
    for actor, names in merged:
        if not actor:
            entries |= {_key(name): Entry(name, "", "outlet") for name in names.get("names", ())}
            continue
        actors[actor] = None
        entries |= _entries(actor, names)
    for _, actor in roles:
        if actor not in actors and _key(actor) not in entries:
            actors[actor] = None
            entries[_key(actor)] = Entry(actor, "", "name")
    shared = {name: actor for actor, names in merged for name in names.get("shared", ())}
    by_first: dict[str, list[tuple[tuple[str, ...], Entry]]] = {}
    for key, entry in entries.items():
        by_first.setdefault(key[0], []).append((key, entry))
    names = {first: tuple(sorted(found, key=lambda f: -len(f[0]))) for first, found in by_first.items()}
    return Lexicon(names, dict(roles), tuple(actors), shared)


def _entries(actor: str, names: Mapping[str, list[str]]) -> dict[tuple[str, ...], Entry]:
    found = {_key(name): Entry(actor, "", "name") for name in (actor, *names.get("aliases", ()))}
    found |= {_key(name): Entry(actor, "", "adjective") for name in names.get("adjectives", ())}
    for group in ("people", "leaders"):
        for person in names.get(group, ()):
            key = _key(person)
            found[key] = Entry(actor, person, "person")
            surname = key[:1] if person in names.get("surname_first", ()) else key[-1:]
            found.setdefault(surname, Entry(actor, person, "person", needs_full_name=group == "people"))
    return found


def _key(name: str) -> tuple[str, ...]:
    return tuple(t.text for t in tokens(name))


def find_mentions(text: str, known: Lexicon, sequence: Sequence[Token] | None = None) -> list[Mention]:
    """Find everybody who is named in a text: actors, persons, unnamed officials and outlets.

    Args:
        text: The text.
        known: The names.
        sequence: The text's tokens, if they have been cut already.

    Returns:
        Mentions in the order of the text; they do not overlap. ``first`` and ``last`` are indices of tokens.

    Example:
        >>> found = find_mentions("A senior Israeli official told Reuters.", lexicon())
        >>> [(m.actor, m.kind, m.text) for m in found]
        [('Israel', 'unnamed', 'A senior Israeli official'), ('Reuters', 'outlet', 'Reuters')]
    """
    words = tokens(text) if sequence is None else sequence
    plain = _take_shared(_listed(text, words, known), known)
    named = {m.person for m in plain if m.person and " " in m.text}
    titled = _titled(text, words, plain)
    named |= {m.person for m in titled}
    kept = [m for m in plain if m.kind != "surname" or m.person in named or _has_title(words, m.first)]
    kept = [m._replace(kind="person") if m.kind == "surname" else m for m in kept]
    later = _surnames(text, words, [m for m in titled if " " in m.person])
    merged = _without_overlaps([*titled, *kept, *later])
    merged = _grow(text, words, merged)
    return _without_overlaps([*merged, *_speakers(text, words, merged)])


def _listed(text: str, words: Sequence[Token], known: Lexicon) -> list[Mention]:
    found, end, names = [], 0, known.names
    for i, word in enumerate(words):
        if i < end or word.text not in names or (match := _match(words, i, known)) is None:
            continue
        length, entry = match
        kind = "surname" if entry.needs_full_name else entry.kind
        end = i + length
        found.append(_mention(text, words, entry.actor, entry.person, kind, i, end - 1))
    return found


def _take_shared(mentions: list[Mention], known: Lexicon) -> list[Mention]:
    """Give a name that two actors share to the one that the report names otherwise: Moscow, in a Soviet report."""
    present = {m.actor for m in mentions if m.text not in known.shared}
    return [m._replace(actor=known.shared[m.text]) if known.shared.get(m.text) in present else m for m in mentions]


def _match(words: Sequence[Token], i: int, known: Lexicon) -> tuple[int, Entry] | None:
    for key, entry in known.names.get(words[i].text, ()):
        if len(key) == 1 or (i + len(key) <= len(words) and all(words[i + j].text == k for j, k in enumerate(key))):
            return len(key), entry
    return None


def _mention(text: str, words: Sequence[Token], actor: str, person: str, kind: str, first: int, last: int) -> Mention:
    start, end = words[first].start, words[last].end
    return Mention(actor, person, kind, start, end, text[start:end], first, last)


def _has_title(words: Sequence[Token], i: int) -> bool:
    return i > 0 and words[i - 1].lower in TITLES and words[i - 1].text[:1].isupper()


def _titled(text: str, words: Sequence[Token], plain: Sequence[Mention]) -> list[Mention]:
    """Persons who are not listed but stand after a title: "Polish Prime Minister Anna Nowak"."""
    taken = {i for m in plain for i in range(m.first, m.last + 1)}
    at_end = {m.last: m for m in plain}
    found = []
    for i, word in enumerate(words):
        if word.lower not in OFFICES or i in taken or not word.text[0].isupper():
            continue
        j = i + 1
        while j < len(words) and j not in taken and j - i <= 3 and _is_name(words[j]) and _adjacent(words, j):
            j += 1
        if j == i + 1 or words[i + 1].lower in TITLES:
            continue
        k = i
        while k > 0 and words[k - 1].lower in TITLES and words[k - 1].text[:1].isupper() and k - 1 not in taken:
            k -= 1
        party = at_end.get(k - 1)
        name = " ".join(w.text for w in words[i + 1 : j])
        first = party.first if party else k
        found.append(_mention(text, words, party.actor if party else name, name, "person", first, j - 1))
    return found


def _is_name(word: Token) -> bool:
    return len(word.text) > 1 and word.text[0].isupper() and word.text[1:2].islower() and word.lower not in TITLES


def _adjacent(words: Sequence[Token], i: int) -> bool:
    return words[i].start - words[i - 1].end <= 1


def _surnames(text: str, words: Sequence[Token], people: Sequence[Mention]) -> list[Mention]:
    """Later mentions, by surname alone, of persons who were introduced with a title."""
    if not people:
        return []
    by_surname = {p.person.split()[-1]: p for p in reversed(people)}
    return [
        _mention(text, words, by_surname[w.text].actor, by_surname[w.text].person, "person", i, i)
        for i, w in enumerate(words)
        if w.text in by_surname
    ]


def _without_overlaps(mentions: Iterable[Mention]) -> list[Mention]:
    kept: list[Mention] = []
    taken: set[int] = set()
    for m in mentions:
        span = range(m.first, m.last + 1)
        if not taken.intersection(span):
            kept.append(m)
            taken.update(span)
    return sorted(kept, key=lambda m: m.first)


def _grow(text: str, words: Sequence[Token], mentions: Sequence[Mention]) -> list[Mention]:
    """Join titles and adjectives to the persons and unnamed groups that they belong to."""
    by_index = {i: m for m in mentions for i in range(m.first, m.last + 1)}
    heads = [
        (i, word.lower in HEADS)
        for i, word in enumerate(words)
        if (word.lower in HEADS or word.lower in BODIES) and i not in by_index
    ]
    grown = [m for i, unnamed in heads if (m := _group(text, words, i, by_index, unnamed=unnamed))]
    persons = [_with_title(text, words, m, by_index) if m.kind == "person" else m for m in mentions]
    long_first = sorted([*grown, *persons], key=lambda m: -(m.last - m.first))
    return _without_overlaps(long_first)


def _group(
    text: str, words: Sequence[Token], head: int, by_index: Mapping[int, Mention], *, unnamed: bool
) -> Mention | None:
    """An unnamed group around its noun: "a senior administration official", "Israeli air defences"."""
    i, party = head, None
    while i > 0:
        before = by_index.get(i - 1)
        if before is not None and before.kind in ("name", "adjective") and party is None:
            party, i = before, before.first
        elif before is None and (words[i - 1].lower in MODIFIERS or words[i - 1].lower in BODIES):
            i -= 1
        else:
            break
    if words[i].lower in ("and", ","):
        i += 1
    last = head
    owner = by_index.get(head + 2)
    if party is None and owner is not None and not unnamed and words[head + 1].lower == "of":
        party, last = owner, owner.last  # "the defence ministry of Taiwan"
    if party is None and not unnamed:
        return None
    phrase = text[words[i].start : words[head].end]
    actor = party.actor if party else _plain(phrase)
    return _mention(text, words, actor, "", "unnamed" if unnamed else "body", i, last)


def _plain(phrase: str) -> str:
    """An unnamed group as an actor's name: without its article."""
    first, _, rest = phrase.partition(" ")
    name = rest if first.lower() in ("a", "an", "the") and rest else phrase
    return " ".join(name.lower().split())


def _with_title(text: str, words: Sequence[Token], m: Mention, by_index: Mapping[int, Mention]) -> Mention:
    i, party = m.first, None
    while i > 0:
        before = by_index.get(i - 1)
        if before is None and words[i - 1].lower in TITLES and words[i - 1].text[:1].isupper():
            i -= 1
        elif before is not None and before.kind in ("name", "adjective") and i < m.first and _adjacent(words, i):
            party, i = before, before.first
            break
        else:
            break
    if i == m.first:
        return m
    return _mention(text, words, party.actor if party and m.actor == m.person else m.actor, m.person, m.kind, i, m.last)


def _speakers(text: str, words: Sequence[Token], mentions: Sequence[Mention]) -> list[Mention]:
    """Full names that nobody has listed, beside a verb of saying: "Maria Lopez said"."""
    taken = {i for m in mentions for i in range(m.first, m.last + 1)}
    forms = verb_forms()
    found = []
    capital = [word.text != word.lower for word in words]
    for i in range(len(words) - 2):
        if not (capital[i] and capital[i + 1]) or i in taken or i + 1 in taken:
            continue
        if not (_is_name(words[i]) and _is_name(words[i + 1])):
            continue
        after = words[i + 2].lower
        before = words[i - 1].lower if i else ""
        said_after = forms.get(after, ("", "", ""))
        said_before = forms.get(before, ("", "", ""))
        says = said_after[1] in ("say", "press") and said_after[2] in ("past", "third")
        if says or (said_before[0] == "say" and said_before[2] == "past"):
            name = f"{words[i].text} {words[i + 1].text}"
            found.append(_mention(text, words, name, name, "person", i, i + 1))
    return found


def possessive(words: Sequence[Token], mention: Mention) -> bool:
    """Whether a mention is a genitive: "Iran's".

    Example:
        >>> words = tokens("Iran's attack")
        >>> possessive(words, find_mentions("Iran's attack", lexicon(), words)[0])
        True
    """
    after = words[mention.last + 1 : mention.last + 3]
    return bool(after) and after[0].text in APOSTROPHES and after[0].start == mention.end
