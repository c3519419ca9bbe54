"""Tokens: random names that let somebody in, of which only the hash is kept, and codes that are easy to read out."""

import hashlib
import hmac
import secrets
from collections.abc import Callable

TOKEN_BYTES = 32  # 256 bits
HANDLE_BYTES = 16
ROOM_LENGTH = 10
ROOM_LETTERS = "23456789BCDFGHJKMNPQRSTVWXYZ"  # no letter that looks or sounds like another, and no words


def new_token(bytes_fn: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A token for a link or a cookie: 256 random bits.

    Args:
        bytes_fn: Where random bytes come from.

    Example:
        >>> len(new_token())
        64
    """
    return bytes_fn(TOKEN_BYTES).hex()


def new_handle(bytes_fn: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A random name for an address; it opens nothing by itself.

    Example:
        >>> new_handle(lambda count: bytes(count))
        '00000000000000000000000000000000'
    """
    return bytes_fn(HANDLE_BYTES).hex()


def new_room_code(bytes_fn: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A code to read out in a room: about 48 bits, of use only while the room is open and a seat is free.

    Example:
        >>> new_room_code(lambda count: bytes(range(count)))
        '23456-789BC'
    """
    usable = 256 - 256 % len(ROOM_LETTERS)  # a byte above is thrown away, so that every letter is equally likely
    letters: list[str] = []
    while len(letters) < ROOM_LENGTH:
        letters += [ROOM_LETTERS[b % len(ROOM_LETTERS)] for b in bytes_fn(ROOM_LENGTH) if b < usable]
    code = "".join(letters[:ROOM_LENGTH])
    return f"{code[:5]}-{code[5:]}"


def read_room_code(typed: str) -> str:
    """A room code as somebody typed it, in the form in which it is kept.

    Example:
        >>> read_room_code(" 2345 6789bc")
        '23456-789BC'
    """
    letters = "".join(character for character in typed.upper() if character.isalnum())[: ROOM_LENGTH + 1]
    return f"{letters[:5]}-{letters[5:]}"


def hash_token(token: str) -> str:
    """What is stored of a token.

    Example:
        >>> hash_token("00")[:8]
        'f1534392'
    """
    return hashlib.sha256(token.encode()).hexdigest()


def form_key(cookie: str, *purpose: str) -> str:
    """A value that only the owner of a cookie can put into a form: against forged requests, and to know a repeated one.

    Args:
        cookie: The session's token.
        *purpose: What the value is for.

    Example:
        >>> len({form_key("secret", "csrf"), form_key("secret", "csrf"), form_key("another", "csrf")})
        2
    """
    return hmac.new(cookie.encode(), "\n".join(purpose).encode(), hashlib.sha256).hexdigest()[:40]


def same(left: str, right: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how much of them is.

    Example:
        >>> same("a", "a"), same("a", "b")
        (True, False)
    """
    return hmac.compare_digest(left.encode(), right.encode())
