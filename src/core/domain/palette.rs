//! The colours of roles: the five of the console, and any other as six hexadecimal digits.
//!
//! The form of the console for switching roles takes its own five colours and shows none for any other. AWS does not
//! document them and has changed them before: they are in one table here, with their source.

use super::error::{Kind, UserError};

/// The colours of the console: their words in the configuration, and their digits in its link (AWS re:Post, "Switch role
/// link query parameters", as of 2024-08-27).
const CONSOLE: [(&str, &str); 5] =
    [("blue", "83d4e8"), ("green", "b7ca9d"), ("orange", "fbc8aa"), ("red", "f2b0a9"), ("yellow", "efda95")];

/// The names of CSS that version 0.1 accepted, after the colour of the console with the nearest hue. Greys have none.
const CSS: [(&str, &str); 6] = [
    (
        "blue",
        "aqua aquamarine blueviolet cadetblue cornflowerblue cyan darkblue darkcyan darkslateblue darkslategray \
         darkslategrey darkturquoise deepskyblue dodgerblue indigo lavender lightblue lightcyan lightseagreen \
         lightskyblue lightslategray lightslategrey lightsteelblue mediumaquamarine mediumblue mediumpurple \
         mediumseagreen mediumslateblue mediumspringgreen mediumturquoise midnightblue navy paleturquoise \
         powderblue rebeccapurple royalblue seagreen skyblue slateblue slategray slategrey springgreen steelblue \
         teal turquoise",
    ),
    (
        "green",
        "chartreuse darkgreen darkolivegreen darkseagreen forestgreen greenyellow lawngreen lightgreen lime \
         limegreen olivedrab palegreen yellowgreen",
    ),
    (
        "orange",
        "antiquewhite bisque burlywood chocolate coral darkorange darksalmon lightsalmon linen orangered \
         peachpuff peru saddlebrown sandybrown sienna tan",
    ),
    (
        "red",
        "brown crimson darkmagenta darkorchid darkred darkviolet deeppink firebrick fuchsia hotpink indianred \
         lightcoral lightpink magenta maroon mediumorchid mediumvioletred mistyrose orchid palevioletred pink \
         plum purple rosybrown salmon thistle tomato violet",
    ),
    (
        "yellow",
        "beige blanchedalmond cornsilk darkgoldenrod darkkhaki gold goldenrod khaki lemonchiffon \
         lightgoldenrodyellow lightyellow moccasin navajowhite oldlace olive palegoldenrod papayawhip wheat",
    ),
    (
        "",
        "aliceblue azure black darkgray darkgrey dimgray dimgrey floralwhite gainsboro ghostwhite gray grey \
         honeydew ivory lavenderblush lightgray lightgrey mintcream seashell silver snow white whitesmoke",
    ),
];

/// The least difference between the strongest and the weakest part of a colour that has a hue: below, it is a grey.
const GREY: u8 = 20;

/// Checks a colour: a word of the console, or six hexadecimal digits with or without `#`. An old name of CSS passes.
pub fn check(text: &str) -> Result<(), &'static str> {
    let is_known = hex(text).is_some() || of_css(text).is_some();
    is_known.then_some(()).ok_or("a colour is blue, green, orange, red, yellow, or six hexadecimal digits, as f2b0a9")
}

/// Returns a colour as six hexadecimal digits: those of the console for its words and for old names of CSS.
pub fn hex(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let word = of_css(&text).unwrap_or(&text);
    if let Some((_, hex)) = CONSOLE.iter().find(|(own, _)| *own == word) {
        return Some((*hex).to_owned());
    }
    let digits = text.strip_prefix('#').unwrap_or(&text);
    (digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit())).then(|| digits.to_owned())
}

/// Returns the word that replaces an old name of CSS, empty for a grey; `None` if the text is no such name.
fn of_css(text: &str) -> Option<&'static str> {
    let is_in = |names: &str| names.split(' ').any(|name| name.eq_ignore_ascii_case(text));
    CSS.iter().find(|(_, names)| is_in(names)).map(|(word, _)| *word)
}

/// Returns a warning if the colour of a role is an old name of CSS.
pub fn warning(role: &str, text: &str) -> Option<UserError> {
    let word = of_css(text)?;
    let shown = if word.is_empty() { "without a colour".to_owned() } else { format!("in {word}") };
    let message = format!("the console has no colour {text}: role `{role}` is shown {shown}");
    let hint = "set `color` to blue, green, orange, red, yellow, or six hexadecimal digits";
    Some(UserError::new(Kind::Config, message).hint(hint))
}

/// Returns the colour of the console with the nearest hue, as its link writes it; `None` for a grey.
///
/// The colours of the console are all pale: by brightness, every dark colour would match the same one.
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

/// Returns the hue in degrees; `None` for a grey.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_a_word_or_digits_or_an_old_name() {
        for (text, want) in [
            ("red", "f2b0a9"),
            ("Yellow", "efda95"),
            ("Teal", "83d4e8"),
            ("gold", "efda95"),
            ("F2B0A9", "f2b0a9"),
            ("#00ff7f", "00ff7f"),
        ] {
            assert_eq!(hex(text).as_deref(), Some(want), "{text}");
            assert!(check(text).is_ok());
        }
        for text in ["", "#", "reddish", "12345", "#1234567", "##12345", "gggggg", "ff ff ff", "é12345"] {
            assert!(check(text).is_err() && hex(text).is_none(), "{text}");
        }
        assert!(check("Silver").is_ok() && hex("silver").is_none());
        assert_eq!(CSS.iter().map(|(_, names)| names.split(' ').count()).sum::<usize>() + CONSOLE.len(), 148);
    }

    #[test]
    fn an_old_name_has_a_warning_and_a_new_one_has_none() {
        let message = |text| warning("prod", text).map(|warning| warning.message);
        let teal = "the console has no colour teal: role `prod` is shown in blue";
        assert_eq!(message("teal").as_deref(), Some(teal));
        let silver = "the console has no colour silver: role `prod` is shown without a colour";
        assert_eq!(message("silver").as_deref(), Some(silver));
        for text in ["red", "Blue", "#008080", "f2b0a9"] {
            assert_eq!(message(text), None, "{text}");
        }
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
