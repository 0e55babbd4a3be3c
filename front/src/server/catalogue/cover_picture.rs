//! The picture on an artifact's cover: ten tiles that its digest chooses, and its name.

use std::fmt::Write;
use tollgate_runtime::plain_text;

/// The edge of a tile; the picture is five by three of them.
const TILE: u32 = 120;
const COLUMNS: u32 = 5;
const ROWS: u32 = 2;
const WIDTH: u32 = COLUMNS * TILE;
const HEIGHT: u32 = (ROWS + 1) * TILE;
/// Left of the name.
const MARGIN: u32 = 32;
/// How names are set, by how many lines they take: letters of a line, and their size.
const SETTINGS: [(usize, u32); 3] = [(19, 44), (26, 32), (34, 24)];
/// The most letters of a name that are shown.
const LETTERS_MAX: usize = 64;

/// Ground, band, ink, and what shapes are filled with.
struct Palette {
    ground: &'static str,
    band: &'static str,
    ink: &'static str,
    shapes: [&'static str; 3],
}

const fn palette(
    ground: &'static str,
    band: &'static str,
    ink: &'static str,
    shapes: [&'static str; 3],
) -> Palette {
    Palette {
        ground,
        band,
        ink,
        shapes,
    }
}

/// The ink is read on the band: at least seven to one.
const PALETTES: [Palette; 6] = [
    palette(
        "#f3e9d8",
        "#14213d",
        "#f3e9d8",
        ["#e4572e", "#f2a541", "#2a6f97"],
    ),
    palette(
        "#e7efe9",
        "#1b3a33",
        "#e7efe9",
        ["#2f8f6b", "#f4b942", "#d1495b"],
    ),
    palette(
        "#efe6f3",
        "#2b1b3f",
        "#efe6f3",
        ["#7b4fa3", "#f28482", "#3d9db3"],
    ),
    palette(
        "#e4edf5",
        "#12263a",
        "#e4edf5",
        ["#1f78b4", "#ef8354", "#8fb8de"],
    ),
    palette(
        "#f7ece4",
        "#3a1720",
        "#f7ece4",
        ["#b23a48", "#e9a178", "#37657a"],
    ),
    palette(
        "#eef0de",
        "#26301a",
        "#eef0de",
        ["#6a8f3c", "#e2b13c", "#4f6d7a"],
    ),
];

/// An SVG of a few KiB without scripts and references: the same bytes for the same name and digest.
pub(crate) fn picture(name: &str, sha256: &[u8; 32]) -> String {
    let [first, rest @ ..] = sha256;
    let palette = &PALETTES[usize::from(*first) % PALETTES.len()];
    let name: String = plain_text(name).chars().take(LETTERS_MAX).collect();
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{}"><rect width="{WIDTH}" height="{HEIGHT}" fill="{}"/>"#,
        escaped(&name),
        palette.ground,
    );
    let places = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (column, row)));
    for ((column, row), byte) in places.zip(rest) {
        svg.push_str(&tile(column * TILE, row * TILE, *byte, &palette.shapes));
    }
    let band = ROWS * TILE;
    put(
        &mut svg,
        format_args!(
            r#"<rect y="{band}" width="{WIDTH}" height="{TILE}" fill="{}"/>"#,
            palette.band
        ),
    );
    svg.push_str(&lettering(&name, palette.ink));
    svg.push_str("</svg>");
    svg
}

/// One shape in its square: what it is, which way it lies and its colour are the byte's.
fn tile(x: u32, y: u32, byte: u8, colours: &[&str; 3]) -> String {
    let turn = u32::from(byte & 3) * 90;
    let colour = colours[usize::from(byte >> 2) % colours.len()];
    let other = colours[(usize::from(byte >> 2) + 1) % colours.len()];
    let shape = match byte >> 5 {
        0 | 1 => format!(r#"<path d="M0 0H120A120 120 0 0 1 0 120Z" fill="{colour}"/>"#),
        2 => format!(r#"<path d="M0 0A60 60 0 0 0 120 0Z" fill="{colour}"/>"#),
        3 => format!(r#"<path d="M0 0H120L0 120Z" fill="{colour}"/>"#),
        4 => format!(
            r#"<rect width="120" height="120" fill="{other}"/><circle cx="60" cy="60" r="36" fill="{colour}"/>"#
        ),
        5 => format!(
            r#"<path d="M0 0H120A120 120 0 0 1 0 120Z" fill="{colour}"/><path d="M0 0H60A60 60 0 0 1 0 60Z" fill="{other}"/>"#
        ),
        6 => format!(
            r#"<path d="M0 0A60 60 0 0 0 120 0ZM0 60A60 60 0 0 0 120 60Z" fill="{colour}"/>"#
        ),
        _ => format!(
            r#"<rect width="120" height="120" fill="{colour}"/><path d="M0 120A120 120 0 0 1 120 0V120Z" fill="{other}"/>"#
        ),
    };
    format!(r#"<g transform="translate({x} {y}) rotate({turn} 60 60)">{shape}</g>"#)
}

/// The name in the band, on as few lines as it takes.
fn lettering(name: &str, ink: &str) -> String {
    let (lines, size) = SETTINGS
        .iter()
        .enumerate()
        .map(|(index, (letters, size))| (index + 1, lines(name, *letters), *size))
        .find(|(most, lines, _)| lines.len() <= *most)
        .map_or_else(|| (Vec::new(), 0), |(_, lines, size)| (lines, size));
    let step = size + size / 4;
    let count = u32::try_from(lines.len()).unwrap_or(0);
    // Letters stand on their line: about a third of their size is above its middle.
    let first = ROWS * TILE + TILE / 2 + size * 7 / 20;
    let mut y = first - step * count.saturating_sub(1) / 2;
    let mut text = format!(
        r#"<g fill="{ink}" font-family="Inter,Helvetica Neue,Helvetica,Arial,DejaVu Sans,sans-serif" font-size="{size}" font-weight="600">"#
    );
    for line in lines {
        put(
            &mut text,
            format_args!(r#"<text x="{MARGIN}" y="{y}">{}</text>"#, escaped(&line)),
        );
        y += step;
    }
    text.push_str("</g>");
    text
}

/// A name in lines of at most so many letters, broken after hyphens where it has them.
fn lines(name: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = Vec::new();
    for part in name.split_inclusive('-') {
        let part: Vec<char> = part.chars().collect();
        match lines.last_mut() {
            Some(line) if line.len() + part.len() <= letters => line.extend(part),
            _ => lines.extend(part.chunks(letters).map(<[char]>::to_vec)),
        }
    }
    let text = |line: Vec<char>| line.into_iter().collect();
    lines.into_iter().map(text).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _ = text.write_fmt(more);
}

#[cfg(test)]
mod tests {
    use super::picture;

    #[test]
    fn it_is_the_same_for_the_same_and_another_for_another() {
        let one = picture("weather", &[7; 32]);
        assert_eq!(one, picture("weather", &[7; 32]));
        assert_ne!(one, picture("weathers", &[7; 32]));
        for byte in 0..10 {
            let mut digest = [7; 32];
            digest[byte] = 200;
            assert_ne!(one, picture("weather", &digest), "byte {byte}");
        }
    }

    #[test]
    fn a_name_of_any_text_is_text_and_all_of_it_is_there() {
        let hostile = r#"<script>alert("1")</script>&'"#;
        let svg = picture(hostile, &[0; 32]);
        assert!(!svg.contains("<script"), "{svg}");
        assert!(svg.contains("&lt;script&gt;"), "{svg}");
        let steering = picture("a\u{1b}[2J\u{0}", &[0; 32]);
        assert!(!steering.contains(char::is_control), "{steering:?}");
        let longest = [
            "a".repeat(64),
            "abcdefghijklmnopqrst-".repeat(3),
            format!("{}-{}-z", "b".repeat(30), "c".repeat(31)),
            "w-".repeat(32),
        ];
        for name in longest {
            let svg = picture(&name, &[255; 32]);
            assert!(svg.len() < 4096, "{} bytes", svg.len());
            let texts = svg.split("<text").skip(1);
            let shown: String = texts
                .filter_map(|text| Some(text.split_once('>')?.1.split_once('<')?.0))
                .collect();
            assert_eq!(shown, name, "{svg}");
        }
        assert!(picture(&"x".repeat(10_000), &[9; 32]).len() < 4096);
        assert!(picture("", &[9; 32]).ends_with("</svg>"));
    }
}
