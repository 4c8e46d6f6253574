//! Colours: what the configuration may say, and which of the console's few comes nearest.
//!
//! The console's form for switching roles takes its own colours only and shows none for any other. Which these are AWS does
//! not document and has changed before: they are in one table here, with where they were seen.

/// The console's colours: their words in the configuration, and how its link writes them (AWS re:Post, "Switch role link query
/// parameters", as of 2024-08-27).
const CONSOLE: [(&str, &str); 5] =
    [("blue", "83d4e8"), ("green", "b7ca9d"), ("orange", "fbc8aa"), ("red", "f2b0a9"), ("yellow", "efda95")];

/// The least difference between the strongest and the weakest part of a colour that has a hue: below, it is a grey.
const GREY: u8 = 20;

/// Checks a colour: one of the console's words, a name of CSS, or six hexadecimal digits with or without `#`.
pub fn check(text: &str) -> Result<(), &'static str> {
    hex(text)
        .map(drop)
        .ok_or("a colour is a name of CSS, as red or teal, or six hexadecimal digits, as f2b0a9 or #f2b0a9")
}

/// Gives a colour as six hexadecimal digits; the console's words are the console's colours.
pub fn hex(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    if let Some((_, hex)) = CONSOLE.iter().find(|(word, _)| *word == text) {
        return Some((*hex).to_owned());
    }
    if let Ok(at) = NAMED.binary_search_by(|(name, _)| (*name).cmp(&text)) {
        return Some(NAMED[at].1.to_owned());
    }
    let digits = text.strip_prefix('#').unwrap_or(&text);
    (digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit())).then(|| digits.to_owned())
}

/// Gives the console's colour that is nearest to one, as its link writes it; `None` for a grey, which it has none of.
///
/// Nearest by hue: the console's are all pale, and by brightness every dark colour would be the same one of them.
pub fn console(text: &str) -> Option<&'static str> {
    let wanted = hex(text)?;
    if let Some((_, own)) = CONSOLE.iter().find(|(_, own)| *own == wanted) {
        return Some(own);
    }
    let wanted = hue(&wanted)?;
    let apart = |a: u16, b: u16| a.abs_diff(b).min(360 - a.abs_diff(b));
    let nearest = CONSOLE.iter().min_by_key(|(_, own)| hue(own).map_or(u16::MAX, |own| apart(own, wanted)));
    nearest.map(|(_, own)| *own)
}

/// Gives the hue in degrees; `None` where there is none to speak of.
fn hue(hex: &str) -> Option<u16> {
    let part = |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let (r, g, b) = (part(0)?, part(2)?, part(4)?);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    if most - least < GREY {
        return None;
    }
    let range = i32::from(most - least);
    let slope = |a: u8, b: u8| 60 * (i32::from(a) - i32::from(b)) / range;
    let degrees = match most {
        m if m == r => slope(g, b),
        m if m == g => 120 + slope(b, r),
        _ => 240 + slope(r, g),
    };
    u16::try_from(degrees.rem_euclid(360)).ok()
}

/// The names of CSS (CSS Color Module Level 4, "Named Colors"), sorted.
const NAMED: [(&str, &str); 148] = [
    ("aliceblue", "f0f8ff"),
    ("antiquewhite", "faebd7"),
    ("aqua", "00ffff"),
    ("aquamarine", "7fffd4"),
    ("azure", "f0ffff"),
    ("beige", "f5f5dc"),
    ("bisque", "ffe4c4"),
    ("black", "000000"),
    ("blanchedalmond", "ffebcd"),
    ("blue", "0000ff"),
    ("blueviolet", "8a2be2"),
    ("brown", "a52a2a"),
    ("burlywood", "deb887"),
    ("cadetblue", "5f9ea0"),
    ("chartreuse", "7fff00"),
    ("chocolate", "d2691e"),
    ("coral", "ff7f50"),
    ("cornflowerblue", "6495ed"),
    ("cornsilk", "fff8dc"),
    ("crimson", "dc143c"),
    ("cyan", "00ffff"),
    ("darkblue", "00008b"),
    ("darkcyan", "008b8b"),
    ("darkgoldenrod", "b8860b"),
    ("darkgray", "a9a9a9"),
    ("darkgreen", "006400"),
    ("darkgrey", "a9a9a9"),
    ("darkkhaki", "bdb76b"),
    ("darkmagenta", "8b008b"),
    ("darkolivegreen", "556b2f"),
    ("darkorange", "ff8c00"),
    ("darkorchid", "9932cc"),
    ("darkred", "8b0000"),
    ("darksalmon", "e9967a"),
    ("darkseagreen", "8fbc8f"),
    ("darkslateblue", "483d8b"),
    ("darkslategray", "2f4f4f"),
    ("darkslategrey", "2f4f4f"),
    ("darkturquoise", "00ced1"),
    ("darkviolet", "9400d3"),
    ("deeppink", "ff1493"),
    ("deepskyblue", "00bfff"),
    ("dimgray", "696969"),
    ("dimgrey", "696969"),
    ("dodgerblue", "1e90ff"),
    ("firebrick", "b22222"),
    ("floralwhite", "fffaf0"),
    ("forestgreen", "228b22"),
    ("fuchsia", "ff00ff"),
    ("gainsboro", "dcdcdc"),
    ("ghostwhite", "f8f8ff"),
    ("gold", "ffd700"),
    ("goldenrod", "daa520"),
    ("gray", "808080"),
    ("green", "008000"),
    ("greenyellow", "adff2f"),
    ("grey", "808080"),
    ("honeydew", "f0fff0"),
    ("hotpink", "ff69b4"),
    ("indianred", "cd5c5c"),
    ("indigo", "4b0082"),
    ("ivory", "fffff0"),
    ("khaki", "f0e68c"),
    ("lavender", "e6e6fa"),
    ("lavenderblush", "fff0f5"),
    ("lawngreen", "7cfc00"),
    ("lemonchiffon", "fffacd"),
    ("lightblue", "add8e6"),
    ("lightcoral", "f08080"),
    ("lightcyan", "e0ffff"),
    ("lightgoldenrodyellow", "fafad2"),
    ("lightgray", "d3d3d3"),
    ("lightgreen", "90ee90"),
    ("lightgrey", "d3d3d3"),
    ("lightpink", "ffb6c1"),
    ("lightsalmon", "ffa07a"),
    ("lightseagreen", "20b2aa"),
    ("lightskyblue", "87cefa"),
    ("lightslategray", "778899"),
    ("lightslategrey", "778899"),
    ("lightsteelblue", "b0c4de"),
    ("lightyellow", "ffffe0"),
    ("lime", "00ff00"),
    ("limegreen", "32cd32"),
    ("linen", "faf0e6"),
    ("magenta", "ff00ff"),
    ("maroon", "800000"),
    ("mediumaquamarine", "66cdaa"),
    ("mediumblue", "0000cd"),
    ("mediumorchid", "ba55d3"),
    ("mediumpurple", "9370db"),
    ("mediumseagreen", "3cb371"),
    ("mediumslateblue", "7b68ee"),
    ("mediumspringgreen", "00fa9a"),
    ("mediumturquoise", "48d1cc"),
    ("mediumvioletred", "c71585"),
    ("midnightblue", "191970"),
    ("mintcream", "f5fffa"),
    ("mistyrose", "ffe4e1"),
    ("moccasin", "ffe4b5"),
    ("navajowhite", "ffdead"),
    ("navy", "000080"),
    ("oldlace", "fdf5e6"),
    ("olive", "808000"),
    ("olivedrab", "6b8e23"),
    ("orange", "ffa500"),
    ("orangered", "ff4500"),
    ("orchid", "da70d6"),
    ("palegoldenrod", "eee8aa"),
    ("palegreen", "98fb98"),
    ("paleturquoise", "afeeee"),
    ("palevioletred", "db7093"),
    ("papayawhip", "ffefd5"),
    ("peachpuff", "ffdab9"),
    ("peru", "cd853f"),
    ("pink", "ffc0cb"),
    ("plum", "dda0dd"),
    ("powderblue", "b0e0e6"),
    ("purple", "800080"),
    ("rebeccapurple", "663399"),
    ("red", "ff0000"),
    ("rosybrown", "bc8f8f"),
    ("royalblue", "4169e1"),
    ("saddlebrown", "8b4513"),
    ("salmon", "fa8072"),
    ("sandybrown", "f4a460"),
    ("seagreen", "2e8b57"),
    ("seashell", "fff5ee"),
    ("sienna", "a0522d"),
    ("silver", "c0c0c0"),
    ("skyblue", "87ceeb"),
    ("slateblue", "6a5acd"),
    ("slategray", "708090"),
    ("slategrey", "708090"),
    ("snow", "fffafa"),
    ("springgreen", "00ff7f"),
    ("steelblue", "4682b4"),
    ("tan", "d2b48c"),
    ("teal", "008080"),
    ("thistle", "d8bfd8"),
    ("tomato", "ff6347"),
    ("turquoise", "40e0d0"),
    ("violet", "ee82ee"),
    ("wheat", "f5deb3"),
    ("white", "ffffff"),
    ("whitesmoke", "f5f5f5"),
    ("yellow", "ffff00"),
    ("yellowgreen", "9acd32"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_a_word_a_name_or_digits() {
        for (text, want) in [
            ("red", "f2b0a9"),
            ("Yellow", "efda95"),
            ("teal", "008080"),
            ("RebeccaPurple", "663399"),
            ("F2B0A9", "f2b0a9"),
            ("#00ff7f", "00ff7f"),
        ] {
            assert_eq!(hex(text).as_deref(), Some(want), "{text}");
            assert!(check(text).is_ok());
        }
        for text in ["", "#", "reddish", "12345", "#1234567", "##12345", "gggggg", "ff ff ff", "é12345"] {
            assert!(check(text).is_err() && hex(text).is_none(), "{text}");
        }
        assert!(NAMED.is_sorted() && NAMED.iter().all(|(name, hex)| name.len() > 2 && hex.len() == 6));
    }

    #[test]
    fn the_console_shows_the_nearest_of_its_own() {
        let (blue, green, orange, red, yellow) = ("83d4e8", "b7ca9d", "fbc8aa", "f2b0a9", "efda95");
        for (text, want) in [
            ("red", red),
            ("orange", orange),
            ("yellow", yellow),
            ("green", green),
            ("blue", blue),
            ("FBC8AA", orange),
            ("#ff0000", red),
            ("crimson", red),
            ("darkorange", orange),
            ("gold", yellow),
            ("lime", green),
            ("navy", blue),
            ("teal", blue),
            ("pink", red),
        ] {
            assert_eq!(console(text), Some(want), "{text}");
        }
        for grey in ["black", "white", "silver", "#808182", "nothing"] {
            assert_eq!(console(grey), None, "{grey}");
        }
    }
}
