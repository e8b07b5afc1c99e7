//! temp
#![allow(clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::indexing_slicing, clippy::disallowed_methods)]
use std::sync::Arc; use std::collections::BTreeMap;
use weir_connect::source::*; use weir_connect::sink::*; use weir_model::section::*; use weir_model::id::*; use weir_model::rows::*; use weir_model::time::*;
fn cpu() -> u64 { std::fs::read_to_string("/proc/thread-self/schedstat").unwrap().split(' ').next().unwrap().parse().unwrap() }
fn section(pairs: &[(&str,&str)]) -> Section { let mut m = BTreeMap::new(); for (k,v) in pairs { m.insert(k.to_string(), Value{line:1,kind:ValueKind::String(v.to_string())}); } Section::new("x".into(), "sources.x", 1, m) }
fn run(name: &str, connector: &str, pairs: &[(&str,&str)]) {
  let rt = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
  let clock: SharedClock = Arc::new(SystemClock::new());
  for _ in 0..5 {
    let config = SourceConfig::parse(connector, section(pairs), "".as_ref()).unwrap();
    let mut opened = config.open(&OperatorUid::new("x").unwrap(), Parallelism::ONE, &clock).unwrap();
    let (mut rows, mut bytes) = (0u64, 0u64);
    let start = cpu();
    rt.block_on(async { let mut out = BatchBuilder::with_capacity(300_000); let r = &mut opened.readers[0];
      loop { let s = r.next(&mut out, BatchLimit{rows:1024,bytes:256*1024}).await.unwrap(); rows += out.len() as u64; bytes += out.byte_len() as u64; let b = out.take(); drop(b); if s == SourceStatus::End { break } } });
    let ns = cpu() - start;
    println!("{name}: {rows} rows, {:.1} ns/row, {:.2} GB/s of {} MB", ns as f64 / rows as f64, opened.bytes_total.unwrap_or(bytes) as f64 / ns as f64, opened.bytes_total.unwrap_or(bytes) / 1_000_000);
  }
}
fn main() {
  let dir = std::env::temp_dir().join("weir-measure"); std::fs::create_dir_all(&dir).unwrap();
  let f = dir.join("t.txt"); let p = f.to_str().unwrap();
  let t = cpu(); let s = weir_connect::zipf_text::write_zipf_text(std::fs::File::create(&f).unwrap(), 200_000_000, 100_000, 42).unwrap(); println!("gen {s:?} {} ms, {} ns a line", (cpu()-t)/1_000_000, (cpu()-t)/s.lines);
  run("lines", "file", &[("path", p)]);
  run("lines bytes", "file", &[("path", p), ("encoding", "bytes")]);
  run("csv no header", "file", &[("path", p), ("format","csv"), ("header","false")]);
  let gz = dir.join("t.gz"); std::process::Command::new("sh").arg("-c").arg(format!("gzip -1 -c {p} > {}", gz.display())).status().unwrap();
  run("gz", "file", &[("path", gz.to_str().unwrap())]);
  let j = dir.join("t.jsonl"); std::process::Command::new("sh").arg("-c").arg(format!("sed 's/.*/{{\"n\":1,\"text\":\"&\"}}/' {p} > {}", j.display())).status().unwrap();
  run("json", "file", &[("path", j.to_str().unwrap()), ("format","json-lines")]);
  run("json key", "file", &[("path", j.to_str().unwrap()), ("format","json-lines"), ("key","text")]);
  run("zipf", "generator", &[("kind","zipf-words"),("lines","1000000")]);
  run("seq", "generator", &[("kind","sequence"),("to","10000000")]);
  let mut b = BatchBuilder::default(); for i in 0..1024u64 { b.push(Some(format!("word{i}").as_bytes()), &i.to_le_bytes(), 0).unwrap(); } let b = b.take();
  for format in ["text","csv","json-lines"] {
    let c = SinkConfig::parse("file", section(&[("path", dir.join("out").to_str().unwrap()),("overwrite","true"),("format",format)]), "".as_ref()).unwrap();
    let mut w = c.open(&OperatorUid::new("x").unwrap(), Parallelism::ONE, &weir_model::describe::Port{name:"o".into(), key: weir_model::codec::Codec::Utf8, value: weir_model::codec::Codec::from_name("u64-le")}).unwrap();
    let t = cpu(); for _ in 0..2000 { w[0].write(&b).unwrap(); } w[0].flush().unwrap(); let n = cpu()-t; w[0].finish().unwrap();
    println!("sink {format}: {:.1} ns/row", n as f64 / 2_048_000.0);
  }
  std::fs::remove_dir_all(&dir).unwrap();
}
