use records::Cutter;
use uuid::Uuid;

use super::super::batch::{self, Event, OVERFLOW, REFUSED, Stream};
use super::{BATCH, Capture, LIMIT};

fn write(capture: &Capture, stream: Stream, text: &str) {
    let mut cutter = Cutter::new(0);
    cutter.push(text.as_bytes());
    capture.lines(stream, &mut cutter);
    capture.rest(stream, &mut cutter);
}

/// Everything that is handed out, as text.
async fn taken(capture: &Capture) -> Vec<Vec<u8>> {
    let mut batches = Vec::new();
    while let Some(batch) = capture.next().await {
        capture.handed_over(batch.len());
        batches.push(batch);
    }
    batches
}

#[tokio::test]
async fn lines_come_out_in_order_in_batches_of_a_bounded_size() {
    let capture = Capture::default();
    let session = Uuid::from_u128(1);
    capture.started(session);
    for number in 0..10_000 {
        let stream = if number % 3 == 0 { Stream::Err } else { Stream::Out };
        write(&capture, stream, &format!("line {number}\n"));
    }
    capture.ended(session, 3);
    let batches = taken(&capture).await;
    assert!(batches.len() > 1 && batches.iter().all(|batch| batch.len() <= BATCH + 1_000));
    let all = batches.concat();
    assert_eq!(batch::check(&all), Ok(10_002));
    let lines: Vec<&str> = std::str::from_utf8(&all).unwrap().lines().collect();
    assert_eq!((lines[1], lines[2], lines[10_000]), ("2 line 0", "1 line 1", "2 line 9999"));
}

#[tokio::test]
async fn what_does_not_fit_is_counted_and_told_where_it_is_missing() {
    let capture = Capture::default();
    let line = format!("{}\n", "x".repeat(999));
    for _ in 0..2_000 {
        write(&capture, Stream::Out, &line);
    }
    // Room for more, but what is missing comes first.
    let first = capture.next().await.unwrap();
    capture.handed_over(first.len());
    write(&capture, Stream::Err, "after\n");
    capture.ended(Uuid::from_u128(1), 0);
    let all = [vec![first], taken(&capture).await].concat().concat();
    assert!(all.len() < LIMIT + 10_000);

    let (mut lines, mut missed, mut rest) = (0, Vec::new(), all.as_slice());
    let mut ended = None;
    while let Some((event, length)) = batch::first(rest) {
        match event {
            Event::Line { bytes: b"after", .. } => assert_eq!(missed.len(), 1, "told before"),
            Event::Line { .. } => lines += 1,
            Event::Missed(event) => missed.push(event),
            Event::Ended(event) => ended = Some(event),
            Event::Started(_) => {}
        }
        rest = &rest[length..];
    }
    assert_eq!((missed[0].reason.as_str(), missed[0].stream, missed[0].records), (OVERFLOW, Stream::Out, 2_000 - lines));
    assert_eq!(missed[0].bytes, 999 * missed[0].records);
    let ended = ended.unwrap();
    assert_eq!((ended.missed_records, ended.missed_bytes), (missed[0].records, missed[0].bytes));
}

#[tokio::test]
async fn a_line_longer_than_the_bound_is_taken_when_nothing_else_waits() {
    let capture = Capture::default();
    write(&capture, Stream::Out, &"x".repeat(LIMIT + 1));
    write(&capture, Stream::Out, "no more\n");
    let first = capture.next().await.unwrap();
    assert!(first.len() > LIMIT);
    capture.refused(&first);
    capture.handed_over(first.len());
    capture.ended(Uuid::from_u128(1), 0);
    let rest = taken(&capture).await.concat();
    let text = String::from_utf8(rest).unwrap();
    assert!(text.contains(REFUSED) && text.contains(OVERFLOW) && text.contains("\"missed_records\":2"), "{text}");
}

#[tokio::test]
async fn what_is_abandoned_is_told_in_short() {
    let capture = Capture::default();
    let session = Uuid::from_u128(1);
    capture.started(session);
    let taken = capture.next().await.unwrap();
    assert_eq!(batch::check(&taken), Ok(1));
    write(&capture, Stream::Out, &format!("{}\n", "x".repeat(99)).repeat(20_000));
    write(&capture, Stream::Err, "oops\n");
    capture.ended(session, 9);
    let rest = capture.abandon();
    let text = String::from_utf8(rest).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 3 && lines[0].contains("\"records\":20000") && lines[1].contains("stderr"), "{text}");
    assert!(lines[2].contains("\"exit_code\":9") && lines[2].contains("\"missed_records\":20001"), "{text}");
    assert_eq!(capture.next().await, None);
}
