"""The choice of fonts for the characters of a picture.

What no font can draw is found before drawing, so that a code point can stand for it instead of an
empty box.
"""


def choose_fonts(characters: set[str]) -> tuple[list[str], set[str]]:
    """Return the font families that draw ``characters``, and those characters that none has.

    DejaVu Sans comes with matplotlib and is enough for most alphabets. The installed
    fonts are searched only for what it lacks.
    """
    from matplotlib.font_manager import findfont

    families = ["DejaVu Sans"]
    missing = characters - {"\n"} - _drawn_by(findfont(families[0]), characters)
    found = _installed_fonts_with(missing) if missing else {}
    while found:
        # Few fonts look best together, so take the one that has most of what is missing.
        best = max(sorted(found), key=lambda family: len(found[family]))
        families.append(best)
        missing -= found[best]
        found = {family: has & missing for family, has in found.items() if has & missing}
    return families, missing


def _installed_fonts_with(characters: set[str]) -> dict[str, set[str]]:
    """Return the installed font families that draw some of ``characters``, each with those."""
    from matplotlib.font_manager import fontManager

    plain = {
        entry.name: entry.fname
        for entry in fontManager.ttflist
        if (entry.style, entry.weight, entry.stretch) == ("normal", 400, "normal")
        # This font draws every character as a box.
        and not entry.name.startswith("Last Resort")
    }
    found = {family: _drawn_by(path, characters) for family, path in plain.items()}
    return {family: has for family, has in found.items() if has}


def _drawn_by(font_path: str, characters: set[str]) -> set[str]:
    """Return those of ``characters`` for which the font has a glyph."""
    from matplotlib.font_manager import get_font

    font = get_font(font_path)
    return {character for character in characters if font.get_char_index(ord(character))}
