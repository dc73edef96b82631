"""The choice of fonts for the characters of a picture.

Characters that no font can draw are found before drawing, so that the picture shows their code
points instead of empty boxes.
"""


def choose_fonts(characters: set[str]) -> tuple[list[str], set[str]]:
    """Return the font families that draw ``characters``, and the characters that no font has.

    DejaVu Sans comes with matplotlib and is enough for most alphabets. The installed
    fonts are searched only for the characters that it lacks.
    """
    from matplotlib.font_manager import findfont

    families = ["DejaVu Sans"]
    missing = characters - {"\n"} - _drawn_by(findfont(families[0]), characters)
    found = _installed_fonts_with(missing) if missing else {}
    while found:
        # Few fonts look best, so take the one that has most of the missing characters.
        best = max(sorted(found), key=lambda family: len(found[family]))
        families.append(best)
        missing -= found[best]
        found = {family: has & missing for family, has in found.items() if has & missing}
    return families, missing


def _installed_fonts_with(characters: set[str]) -> dict[str, set[str]]:
    """Return which of ``characters`` each installed font family draws, if any."""
    from matplotlib.font_manager import fontManager

    plain = {
        entry.name: entry.fname
        # Of a family the weight nearest to 400, normal, comes last; some have only 300 or 500.
        for entry in sorted(fontManager.ttflist, key=lambda entry: -abs(int(entry.weight) - 400))
        if (entry.style, entry.stretch) == ("normal", "normal")
        and 300 <= int(entry.weight) <= 500
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
