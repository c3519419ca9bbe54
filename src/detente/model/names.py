"""Names of countries and others as they stand inside a sentence."""

import re

# Names that say what kind of thing they name, or are plurals: English puts "the" before them inside a sentence.
_WITH_ARTICLE = re.compile(
    r"^(US|USA|UK|UAE|EU|UN|USSR|PRC|DRC|DPRK|Taliban|Houthis|Gambia|Vatican|Kremlin|White House)$"
    r"|\b(States|Nations|Kingdom|Emirates|Republic|Union|Federation|Commonwealth|Confederation|Empire|League|"
    r"Coalition|Alliance|Netherlands|Philippines|Bahamas|Maldives|Comoros|Seychelles|Islands)$"
    r"|^(Islamic |People's |Democratic |Federal )*(Republic|Kingdom|State|Union|Federation|League|Emirate) of "
)


def with_article(name: str) -> str:
    """A name as it stands inside a sentence: with "the" where English wants it.

    Args:
        name: As the scenario's file gives it. One that has its article already is left alone.

    Example:
        >>> with_article("United States"), with_article("Iran"), with_article("the state")
        ('the United States', 'Iran', 'the state')
    """
    return f"the {name}" if _WITH_ARTICLE.search(name) else name
