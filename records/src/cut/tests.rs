use proptest::prelude::*;

use super::*;

/// A line that owns its bytes.
type Owned = (u64, u64, Vec<u8>, bool, bool);

/// All lines of a stream that comes in chunks of these sizes.
fn lines(bytes: &[u8], mut sizes: impl Iterator<Item = usize>) -> Vec<Owned> {
    let own = |line: Line<'_>| (line.start, line.end, line.bytes.to_vec(), line.cut, line.terminated);
    let mut cutter = Cutter::new(100);
    let mut lines = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(rest.len()).clamp(1, rest.len());
        cutter.push(&rest[..size]);
        rest = &rest[size..];
        lines.extend(std::iter::from_fn(|| cutter.next_line().map(own)));
    }
    lines.extend(std::iter::from_fn(|| cutter.finish().map(own)));
    assert_eq!(cutter.pending(), 0, "nothing is left at the end");
    lines
}

#[track_caller]
fn check(bytes: &[u8], expected: &[(u64, u64, &str, bool)]) {
    let found = lines(bytes, std::iter::empty());
    let found: Vec<_> = found
        .iter()
        .map(|(start, end, text, _, done)| (*start, *end, String::from_utf8_lossy(text).into_owned(), *done))
        .collect();
    let expected: Vec<_> = expected.iter().map(|(start, end, text, done)| (*start, *end, (*text).to_owned(), *done)).collect();
    assert_eq!(found, expected);
}

#[test]
fn offsets_count_line_ends_and_texts_do_not_have_them() {
    check(b"", &[]);
    check(b"a\nbc\n", &[(100, 102, "a", true), (102, 105, "bc", true)]);
    check(b"a\r\nb\rc\r\n", &[(100, 103, "a", true), (103, 108, "b\rc", true)]);
    check(b"\n\r\n", &[(100, 101, "", true), (101, 103, "", true)]);
    check(b"a\nlast", &[(100, 102, "a", true), (102, 106, "last", false)]);
    check(b"last\r", &[(100, 105, "last\r", false)]);
}

#[test]
fn a_line_over_the_limit_is_cut_there_and_one_at_the_limit_is_not() {
    let long = vec![b'x'; LINE_LIMIT];
    for end in ["\n", "\r\n"] {
        let found = lines(&[&long, end.as_bytes()].concat(), std::iter::empty());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].2.len(), found[0].3), (LINE_LIMIT, false));
    }
    let found = lines(&[&long, b"yz\r\nnext\n".as_slice()].concat(), std::iter::empty());
    let cuts: Vec<_> = found.iter().map(|(_, _, bytes, cut, _)| (bytes.len(), *cut)).collect();
    assert_eq!(cuts, [(LINE_LIMIT, true), (2, false), (4, false)]);
    assert_eq!(found[1].0, 100 + LINE_LIMIT as u64);
}

#[test]
fn a_cut_does_not_go_through_a_character() {
    let text = "x".repeat(LINE_LIMIT - 1) + "é and more\n";
    let found = lines(text.as_bytes(), std::iter::empty());
    assert_eq!(found[0].2.len(), LINE_LIMIT - 1);
    assert_eq!(found[1].2, "é and more".as_bytes());
}

#[test]
fn a_long_line_in_small_chunks_is_cut_at_the_same_places() {
    let head = [&vec![b'x'; LINE_LIMIT - 2][..], "é\r\r\n".as_bytes()].concat();
    let bytes = [&head[..], &vec![b'y'; LINE_LIMIT + 5], b"\r\nend"].concat();
    let whole = lines(&bytes, std::iter::empty());
    for size in [1 << 10, 4093, 1 << 16] {
        assert_eq!(lines(&bytes, std::iter::repeat(size)), whole);
    }
    // One byte at a time around both limits.
    let careful = std::iter::once(LINE_LIMIT - 4).chain(std::iter::repeat_n(1, 20)).chain(std::iter::once(LINE_LIMIT - 12));
    assert_eq!(lines(&bytes, careful.chain(std::iter::repeat(1))), whole);
}

#[test]
fn nul_bytes_where_a_line_begins_belong_to_no_line_and_take_no_memory() {
    check(b"a\n\0\0\0b\0c\n", &[(100, 102, "a", true), (105, 109, "b\0c", true)]);
    check(b"\0\0", &[]);
    check(b"\0\nend", &[(101, 102, "", true), (102, 105, "end", false)]);
    let mut cutter = Cutter::new(0);
    let chunk = vec![0; 1 << 16];
    for _ in 0..((4 * LINE_LIMIT) >> 16) {
        cutter.push(&chunk);
        assert_eq!(cutter.next_line(), None);
        assert_eq!(cutter.pending(), 0);
    }
    cutter.push(b"after the hole\n");
    assert_eq!(cutter.next_line().map(|line| (line.start, line.bytes)), Some((4 * LINE_LIMIT as u64, &b"after the hole"[..])));
    assert_eq!(cutter.skipped(), 4 * LINE_LIMIT as u64);
}

proptest! {
    #[test]
    fn chunks_change_nothing(bytes in prop::collection::vec(prop::sample::select(b"ab\r\n\n\0".to_vec()), 0..60),
                             sizes in prop::collection::vec(1..9_usize, 0..60)) {
        let whole = lines(&bytes, std::iter::empty());
        prop_assert_eq!(lines(&bytes, sizes.into_iter()), whole.clone());
        let mut end = 100;
        for line in &whole {
            // What lies between two lines is NUL bytes.
            let left_out = &bytes[usize::try_from(end).unwrap() - 100..usize::try_from(line.0).unwrap() - 100];
            prop_assert!(left_out.iter().all(|byte| *byte == 0));
            end = line.1;
        }
        prop_assert!(bytes[usize::try_from(end).unwrap() - 100..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_long_line_is_cut_where_a_word_ends() {
    let cut = |tail: &str| {
        let mut cutter = Cutter::new(0);
        let begin = "x".repeat(LINE_LIMIT - tail.len() / 2);
        cutter.push(format!("{begin}{tail}\n").as_bytes());
        let first = String::from_utf8(cutter.next_line().unwrap().bytes[begin.len() - 1..].to_vec()).unwrap();
        let second = String::from_utf8(cutter.next_line().unwrap().bytes.to_vec()).unwrap();
        (first.trim_start_matches('x').to_owned(), second)
    };
    assert_eq!(cut(", token=abcdefghijklmnop"), (",".to_owned(), " token=abcdefghijklmnop".to_owned()));
    assert_eq!(cut(" a password: abcdefghijklmnop"), (" a ".to_owned(), "password: abcdefghijklmnop".to_owned()));
    assert_eq!(cut("abcdefghijklmnop"), ("abcdefgh".to_owned(), "ijklmnop".to_owned()));
}
