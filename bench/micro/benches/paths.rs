//! How long the hot paths take.

fn main() {
    divan::main();
}

#[divan::bench(args = 0..micro::PATHS.len())]
fn path(bencher: divan::Bencher<'_, '_>, index: usize) {
    let (name, make) = micro::PATHS[index];
    eprintln!("{index}: {name}");
    let mut run = make();
    bencher.bench_local(&mut run);
}
