//! Rows as one stream of bytes, which costs the database less than a statement: it fills whole pages at a time. It knows no
//! conflict: where one row is there already, none is written.

use std::pin::pin;

use bytes::{BufMut as _, Bytes, BytesMut};
use deadpool_postgres::Transaction;
use futures_util::SinkExt as _;
use futures_util::future::join;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type};

use super::columns::{Columns, TYPES};
use crate::store::StoreError;

const ACTION: &str = "store messages";
/// How a file of this format begins: signature, no flags, no extension.
const BEGIN: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What ends it, in place of the number of columns.
const END: i16 = -1;
/// What is sent at once, one row more.
const CHUNK_BYTES: usize = 256 << 10;

/// Writes all rows, or none where one of them is there already or cannot be written like this. Waits for transactions that
/// write the same.
pub(super) async fn copy(transaction: &Transaction<'_>, sql: &str, columns: &Columns<'_>) -> Result<bool, StoreError> {
    let action = StoreError::of;
    let Ok(chunks) = encode(columns) else { return Ok(false) };
    let statement = transaction.prepare_cached(sql).await.map_err(action(ACTION))?;
    // On the wire one follows the other without waiting for its answer.
    let (begun, sink) = join(transaction.batch_execute("SAVEPOINT rows"), transaction.copy_in::<_, Bytes>(&statement)).await;
    begun.map_err(action(ACTION))?;
    let mut sink = pin!(sink.map_err(action(ACTION))?);
    let copied = async {
        for chunk in chunks {
            sink.feed(chunk).await?;
        }
        sink.as_mut().finish().await
    };
    match copied.await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            transaction.batch_execute("ROLLBACK TO SAVEPOINT rows").await.map_err(action(ACTION))?;
            Ok(false)
        }
        Err(error) => Err(action(ACTION)(error)),
    }
}

/// Rows as this format has them: of each the number of its columns, then each value after its length.
fn encode(columns: &Columns<'_>) -> Result<Vec<Bytes>, Box<dyn std::error::Error + Sync + Send>> {
    let mut chunks = Vec::new();
    let mut bytes = BytesMut::with_capacity(CHUNK_BYTES);
    bytes.put_slice(BEGIN);
    for index in 0..columns.len() {
        bytes.put_i16(i16::try_from(TYPES.len())?);
        for (value, kind) in columns.row(index).into_iter().zip(&TYPES) {
            put(&mut bytes, value, kind)?;
        }
        if bytes.len() >= CHUNK_BYTES {
            chunks.push(bytes.split().freeze());
            bytes.reserve(CHUNK_BYTES);
        }
    }
    bytes.put_i16(END);
    chunks.push(bytes.freeze());
    Ok(chunks)
}

fn put(bytes: &mut BytesMut, value: &(dyn ToSql + Sync), kind: &Type) -> Result<(), Box<dyn std::error::Error + Sync + Send>> {
    let place = bytes.len();
    bytes.put_i32(0);
    let length = match value.to_sql_checked(kind, bytes)? {
        IsNull::Yes => -1,
        IsNull::No => i32::try_from(bytes.len() - place - size_of::<i32>())?,
    };
    bytes[place..][..size_of::<i32>()].copy_from_slice(&length.to_be_bytes());
    Ok(())
}
