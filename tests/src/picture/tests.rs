use super::{MOST, Picture};

const PAPER: [u8; 3] = [251, 251, 249];
const INK: [u8; 3] = [29, 30, 32];

/// A page with two lines of something like letters, from this column on.
fn page(left: usize, ink: [u8; 3]) -> Picture {
    let mut page = Picture::plain(390, 200, PAPER);
    for line in 0..2 {
        for letter in 0..20 {
            page.fill((left + letter * 8, 20 + line * 24), (2, 11), ink);
        }
    }
    page
}

fn differences(one: &Picture, other: &Picture) -> usize {
    one.squares_unlike(other).expect("pictures of one size").len()
}

#[test]
fn the_same_page_is_the_same_also_where_it_is_drawn_a_pixel_away_or_a_shade_lighter() {
    let kept = page(30, INK);
    assert_eq!(differences(&kept, &kept), 0);
    assert_eq!(differences(&kept, &page(31, INK)), 0);
    assert_eq!(differences(&kept, &page(30, [50, 50, 52])), 0);
}

#[test]
fn a_word_more_or_less_another_colour_and_what_moved_are_differences() {
    let kept = page(30, INK);
    // A word of four letters.
    let mut without = kept.clone();
    without.fill((30, 20), (32, 11), PAPER);
    assert!(differences(&kept, &without) > MOST, "{}", differences(&kept, &without));
    assert!(differences(&without, &kept) > MOST);
    assert!(differences(&kept, &page(30, [179, 38, 30])) > MOST);
    assert!(differences(&kept, &page(34, INK)) > MOST);
    let mut tinted = kept.clone();
    tinted.fill((0, 100), (390, 30), [253, 241, 200]);
    assert!(differences(&kept, &tinted) > MOST);
}

#[test]
fn pictures_of_two_sizes_are_never_the_same() {
    assert_eq!(Picture::plain(10, 10, INK).squares_unlike(&Picture::plain(10, 11, INK)), None);
}

#[test]
fn a_picture_is_read_as_it_was_written_and_three_stand_side_by_side() {
    let (kept, other) = (page(30, INK), Picture::plain(390, 210, PAPER));
    let beside = kept.beside(&other);
    assert_eq!((beside.width, beside.height), (1170, 210));
    assert_eq!(Picture::read(&beside.to_png().unwrap()).unwrap(), beside);
    assert!(Picture::read(b"no picture").is_err());
}
