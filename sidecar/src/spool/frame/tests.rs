use proptest::prelude::*;
use uuid::Uuid;

use super::{Entry, Form, Frame, LONGEST_RAW, Peer, decode, encode};

fn framed(container: &str, id: Option<u128>, raw: &[u8]) -> Vec<u8> {
    framed_as(Form::Record, container, id, raw)
}

fn framed_as(form: Form, container: &str, id: Option<u128>, raw: &[u8]) -> Vec<u8> {
    let peer = Peer { pid: 7, uid: 1000, gid: 1001 };
    let entry = Entry { container, accepted_at: -5, peer, id: id.map(Uuid::from_u128), form, raw };
    let mut buffer = b"before".to_vec();
    let length = encode(&entry, &mut buffer);
    let frame = buffer.split_off(b"before".len());
    assert_eq!(length, frame.len());
    assert_eq!(decode(&frame), Frame::Whole(entry, length));
    frame
}

#[test]
fn the_longest_bytes_have_room_beside_the_longest_name() {
    framed_as(Form::Batch, &"n".repeat(255), Some(1), &vec![b'x'; LONGEST_RAW]);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(container in "[a-z-]{0,63}", id in any::<Option<u128>>(), raw in any::<Vec<u8>>()) {
        framed(&container, id, &raw);
        framed_as(Form::Piece, &container, id, &raw);
        framed_as(Form::Batch, &container, id, &raw);
    }

    #[test]
    fn a_cut_frame_is_never_a_record(raw in any::<Vec<u8>>(), keep in 0.0..1.0) {
        let frame = framed("main", Some(3), &raw);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a test length")]
        let cut = (frame.len() as f64 * keep) as usize;
        prop_assert!(matches!(decode(&frame[..cut]), Frame::Cut(needed) if needed > cut));
    }

    #[test]
    fn a_changed_byte_is_never_the_same_record(raw in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut frame = framed("main", None, &raw);
        let at = at.index(frame.len());
        frame[at] ^= flip;
        prop_assert!(!matches!(decode(&frame), Frame::Whole(..)));
    }
}
