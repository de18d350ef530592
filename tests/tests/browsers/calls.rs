//! Media in the program's pages: the call of the demo page, files that are played, visitors that are recorded.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use fantoccini::Client;
use serde_json::{Value, json};
use visavis_tests::{
    browser::{Browser, Kind, Settings},
    isolation,
};

use crate::{
    demo::{Program, build, click, element, fits, open_as_phone, take_screenshot},
    duo::soon,
    in_both_browsers,
    pictures::{Picture, camera, check_echo, is_like, watch_camera},
};

/// Starts the program with these arguments.
async fn start(arguments: &[&str]) -> Program {
    build();
    Program::run(arguments).await
}

/// Runs ffmpeg, which is to have nothing to say.
pub(crate) fn ffmpeg(arguments: &[&str]) {
    let output = Command::new("ffmpeg").args(["-nostdin", "-y", "-v", "error"]).args(arguments).output();
    let output = output.expect("ffmpeg is installed");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "ffmpeg {arguments:?}: {complaints}");
}

/// A file of a moving picture, 176 × 144: red on the left, green on the right, with a white square that wanders.
pub(crate) fn picture(name: &str, encoder: &[&str]) -> String {
    let path = isolation::scratch().join(name).to_string_lossy().into_owned();
    let graph = "color=red:size=88x144:rate=20:duration=4[left];color=lime:size=88x144:rate=20:duration=4[right];\
                 color=white:size=16x16:rate=20:duration=4[square];[left][right]hstack[both];\
                 [both][square]overlay=x=mod(n*4\\,160):y=8,format=yuv420p";
    ffmpeg(&[&["-filter_complex", graph][..], encoder, &["-g", "20", &path]].concat());
    path
}

/// A tone of one second.
fn sound(name: &str, encoder: &[&str]) -> String {
    let path = isolation::scratch().join(name).to_string_lossy().into_owned();
    ffmpeg(&[&["-f", "lavfi", "-i", "sine=frequency=440:duration=4"][..], encoder, &[&path]].concat());
    path
}

/// Runs a script in the page until it gives something.
async fn until(client: &Client, script: &str) -> Value {
    let find = async {
        loop {
            let found = client.execute(script, vec![]).await.unwrap();
            if !found.is_null() && found != json!(false) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    soon(find).await
}

/// Waits until a video of the page plays, and says its size.
async fn plays(client: &Client, css: &str) -> (u64, u64) {
    let script = format!(
        "const it = document.querySelector('{css}');
        return it && it.videoWidth > 2 && it.currentTime > 1 && [it.videoWidth, it.videoHeight]"
    );
    let size = until(client, &script).await;
    (size[0].as_u64().unwrap(), size[1].as_u64().unwrap())
}

/// The colour at a place of the picture that is shown, as parts of its size.
async fn colour(client: &Client, css: &str, x: f64, y: f64) -> [u8; 3] {
    let script = "const [css, x, y] = arguments;
        const video = document.querySelector(css);
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
        const context = canvas.getContext('2d');
        context.drawImage(video, 0, 0);
        return [...context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data];";
    let pixel = client.execute(script, vec![json!(css), json!(x), json!(y)]).await.unwrap();
    [0, 1, 2].map(|index| u8::try_from(pixel[index].as_u64().unwrap()).unwrap())
}

async fn launch(kind: Kind) -> Browser {
    let browser = Browser::launch(&Settings::new(kind).with_devices()).await.unwrap();
    browser.client().set_window_size(1100, 1300).await.unwrap();
    browser
}

in_both_browsers! {
    async fn files_of_every_codec_are_played(kind: Kind) {
        let vp8 = picture("vp8.ivf", &["-c:v", "libvpx"]);
        let vp9 = picture("vp9.ivf", &["-c:v", "libvpx-vp9"]);
        let av1 = picture("av1.ivf", &["-c:v", "libaom-av1", "-cpu-used", "8"]);
        let h264 = picture("h264.h264", &["-c:v", "libx264", "-profile:v", "baseline", "-bf", "0"]);
        let opus = sound("opus.opus", &["-c:a", "libopus"]);
        let wav = sound("pcm.wav", &["-ar", "8000", "-ac", "1"]);
        let mut program =
            start(&["send-media", "--listen", "127.0.0.1:0", &vp8, &vp9, &av1, &h264, &opus, &wav]).await;
        let browser = launch(kind).await;
        let client = browser.client();
        client.goto(&program.url).await.unwrap();
        program.line_with("A viewer is connected").await;
        let mut played = Vec::new();
        for (stream, codec) in ["VP8", "VP9", "AV1", "H264"].iter().enumerate() {
            // Debian's Firefox gets H.264 by a download only.
            if kind == Kind::Firefox && *codec == "H264" {
                let problem = element(client, "#problems li").await.text().await.unwrap();
                assert!(problem.contains("no H264") && problem.contains("libvpx"), "{problem}");
                continue;
            }
            let css = format!("[data-stream=\"clip-{}\"] video", stream + 1);
            assert_eq!(plays(client, &css).await, (176, 144), "{codec}");
            for (x, wanted) in [(0.25, [255, 0, 0]), (0.75, [0, 255, 0])] {
                let colour = colour(client, &css, x, 0.7).await;
                assert!(is_like(colour, wanted), "{codec}: {colour:?} instead of {wanted:?}");
            }
            played.push((codec, css));
        }
        // And so people see it.
        let png = take_screenshot(client, "play", kind).await;
        for (codec, css) in played {
            let seen = Picture::of_element(client, &png, &css).await;
            let (left, right) = (seen.at(0.25, 0.5), seen.at(0.75, 0.5));
            assert!(is_like(left, [255, 0, 0]) && is_like(right, [0, 255, 0]), "{codec}: {left:?} and {right:?}");
        }
    }
}

in_both_browsers! {
    async fn what_is_played_once_ends(kind: Kind) {
        let clip = picture("once.ivf", &["-c:v", "libvpx"]);
        let mut program = start(&["send-media", "--once", "--listen", "127.0.0.1:0", &clip]).await;
        let browser = launch(kind).await;
        let client = browser.client();
        client.goto(&program.url).await.unwrap();
        element(client, "#state[data-state=connected]").await;
        let began = tokio::time::Instant::now();
        element(client, "#state[data-state=ended]").await;
        let took = began.elapsed();
        // Four seconds, but for what passed before the page was looked at.
        assert!(took > Duration::from_secs(2), "all was over after {took:?}");
        program.line_with("A viewer has left").await;
        click(client, "#again").await;
        element(client, "#state[data-state=connected]").await;
    }
}

/// What the page shows of a picture.
async fn numbers(client: &Client, name: &str) -> Value {
    let script = format!("return document.querySelector('#{name}-numbers').dataset.values ?? null");
    let text = until(client, &script).await;
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

/// Waits until what the page shows of a picture is as wanted.
async fn shows(client: &Client, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let look = async {
        loop {
            let numbers = numbers(client, name).await;
            if wanted(&numbers) {
                println!("{name}: {what}: {numbers}");
                return numbers;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look).await.unwrap_or_else(|_| panic!("{name}: never {what}"))
}

fn frames(numbers: &Value) -> u64 {
    numbers["frames"].as_u64().unwrap()
}

/// The clip is seen, and moves within a second.
async fn shows_the_clip(client: &Client, kind: Kind) {
    let mut before: Option<Picture> = None;
    for _ in 0..2 {
        let png = element(client, "#clip-video").await.screenshot().await.unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("output");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("clip-{kind:?}.png").to_lowercase()), &png).unwrap();
        let picture = Picture::of_png(&png, None);
        picture.check_clip();
        if let Some(before) = &before {
            assert!(before.changes(&picture) > 20, "the picture stands still");
        }
        before = Some(picture);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A screenshot of the call, in which the clip is seen where it is, and the camera where its echo is.
async fn take_screenshot_of_call(client: &Client, kind: Kind) {
    let before = camera(client).await;
    let png = take_screenshot(client, "call", kind).await;
    Picture::of_element(client, &png, "#clip-video").await.check_clip();
    let echo = Picture::of_element(client, &png, "#echo-video").await;
    check_echo(&echo, &[before, camera(client).await]);
}

/// The same with losses: what is seen may be late.
async fn take_screenshot_of_losses(client: &Client, kind: Kind) {
    let png = take_screenshot(client, "call-loss", kind).await;
    Picture::of_element(client, &png, "#clip-video").await.check_clip();
    assert!(Picture::of_element(client, &png, "#echo-video").await.is_lit());
}

in_both_browsers! {
    async fn a_call_shows_echo_and_clip_and_goes_on_with_losses(kind: Kind) {
        let files = isolation::scratch().join("files").to_string_lossy().into_owned();
        let mut program = start(&["--no-demo", "--listen", "127.0.0.1:0", "--directory", &files]).await;
        let browser = launch(kind).await;
        let client = browser.client();
        client.goto(&program.url).await.unwrap();
        watch_camera(client).await;
        click(client, "#call-start").await;
        program.line_with("A caller is connected").await;
        assert_eq!(plays(client, "#clip-video").await, (320, 240));
        let (width, height) = plays(client, "#echo-video").await;
        assert!(width >= 160 && width * 3 == height * 4, "{width} × {height}");
        client.execute("document.getElementById('call').scrollIntoView()", vec![]).await.unwrap();
        shows_the_clip(client, kind).await;
        for name in ["clip", "echo"] {
            shows(client, name, "all numbers without loss", |numbers| {
                let number = |name: &str| numbers[name].as_f64();
                let is_lossless = number("lossIn").is_some_and(|loss| loss < 0.01)
                    && (name == "clip" || number("lossOut").is_some_and(|loss| loss < 0.01));
                let has_size = numbers["size"][0].as_u64().is_some_and(|width| width >= 160);
                is_lossless
                    && has_size
                    && number("rate").is_some_and(|rate| rate > 5.0)
                    && number("bits").is_some_and(|bits| bits > 20e3)
                    && number("rtt").is_some_and(|rtt| rtt < 1.0)
            })
            .await;
        }
        take_screenshot_of_call(client, kind).await;

        click(client, "input[name=loss][value='20']").await;
        for name in ["clip", "echo"] {
            let before = shows(client, name, "loss", |numbers| {
                let is_bad = |name: &str| numbers[name].as_f64().is_some_and(|loss| (0.08..0.4).contains(&loss));
                is_bad("lossIn") && (name == "clip" || is_bad("lossOut"))
            })
            .await;
            shows(client, name, "pictures all the same", |now| frames(now) > frames(&before) + 30).await;
        }
        take_screenshot_of_losses(client, kind).await;

        click(client, "input[name=loss][value='0']").await;
        shows(client, "clip", "no loss any more", |numbers| numbers["lossIn"].as_f64() < Some(0.01)).await;
        assert_eq!(client.execute("return document.querySelectorAll('#call-problems li').length", vec![]).await.unwrap(), 0);
        click(client, "#call-end").await;
        element(client, "#call-state[data-state=closed]").await;
        program.line_with("A caller has left").await;
    }
}

in_both_browsers! {
    async fn without_a_camera_the_clip_plays_alone(kind: Kind) {
        let files = isolation::scratch().join("files").to_string_lossy().into_owned();
        let program = start(&["--no-demo", "--listen", "0.0.0.0:0", "--directory", &files]).await;
        let browser = Browser::launch(&Settings::new(kind).with_popups()).await.unwrap();
        let client = browser.client();
        // Without https, another machine's page has no camera.
        open_as_phone(client, &program.url.replace("0.0.0.0", isolation::IPV4)).await;
        click(client, "#call-start").await;
        let problem = element(client, "#call-problems li").await.text().await.unwrap();
        assert!(problem.contains("https") && problem.contains("Only the clip"), "{problem}");
        assert_eq!(plays(client, "#clip-video").await, (320, 240));
        shows(client, "clip", "a picture", |numbers| numbers["size"] == json!([320, 240])).await;
        let is_hidden = client.execute("return document.querySelector('#echo').hidden", vec![]).await.unwrap();
        assert_eq!(is_hidden, json!(true));
        fits(client).await;
        client.execute("document.getElementById('call').scrollIntoView()", vec![]).await.unwrap();
        let png = take_screenshot(client, "phone-call", kind).await;
        Picture::of_element(client, &png, "#clip-video").await.check_clip();
    }
}

/// What ffprobe says of the only stream of a file.
pub(crate) fn probe(path: &Path, entries: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_entries", entries, "-of", "csv=p=0"])
        .arg(path)
        .output()
        .expect("ffprobe is installed");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{}: {complaints}", path.display());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A recording in the folder, which ffmpeg decodes without a word. Where pictures do not come at a steady rate, as from
/// a camera, ffmpeg is to be told: it takes a rate from the first ones, and its null output complains of pictures that
/// are closer.
pub(crate) fn recording(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    ffmpeg(&["-i", &path.to_string_lossy(), "-fps_mode", "vfr", "-f", "null", "-"]);
    path
}

pub(crate) fn frame_count(path: &Path) -> u32 {
    probe(path, "stream=nb_read_frames").trim_end_matches(',').parse().unwrap()
}

in_both_browsers! {
    async fn visitors_are_recorded(kind: Kind) {
        let directory = isolation::scratch().join("recordings");
        let folder = directory.to_string_lossy().into_owned();
        let mut program = start(&["record", "--listen", "127.0.0.1:0", &folder]).await;
        let browser = launch(kind).await;
        let client = browser.client();
        client.goto(&program.url).await.unwrap();
        for visit in 1..=2 {
            click(client, "#share").await;
            element(client, "#state[data-state=connected]").await;
            plays(client, "#preview").await;
            program.line_with("Recording").await;
            program.line_with("Recording").await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            // Pictures of another size go on in the same file.
            let script = "const [width, height, done] = arguments;
                const [track] = document.querySelector('#preview').srcObject.getVideoTracks();
                track.applyConstraints({ width, height }).then(() => done(null), (error) => done(String(error)));";
            let resized = client.execute_async(script, vec![json!(160), json!(120)]).await.unwrap();
            assert_eq!(resized, Value::Null);
            tokio::time::sleep(Duration::from_secs(3)).await;
            // At any moment, what is there can be played.
            let video = recording(&directory, &format!("visit-{visit}-video.ivf"));
            assert!(frame_count(&video) > 20, "{} frames", frame_count(&video));
            recording(&directory, &format!("visit-{visit}-audio.opus"));
            if visit == 1 {
                let png = take_screenshot(client, "record", kind).await;
                assert!(Picture::of_element(client, &png, "#preview").await.is_lit());
                // The visitor leaves.
                click(client, "#stop").await;
                element(client, "#state[data-state=closed]").await;
            } else {
                // The program ends.
                let pid = program.child.id().unwrap().to_string();
                assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
            }
            // For each file a line with how long it is and how large.
            let lines = [program.line_with(" s, ").await, program.line_with(" s, ").await];
            let line_of = |name: &str| lines.iter().find(|line| line.contains(name)).unwrap();
            assert!(line_of("-video.ivf: VP8 ").ends_with("B") && line_of("-audio.opus: opus, ").ends_with("B"));
            for name in ["video.ivf", "audio.opus"] {
                let path = recording(&directory, &format!("visit-{visit}-{name}"));
                let seconds: f64 = line_of(name).split(" s, ").next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
                assert!((4.0..30.0).contains(&seconds), "{seconds} s");
                assert!(frame_count(&path) > 40, "{name}: {} frames", frame_count(&path));
            }
            let video = directory.join(format!("visit-{visit}-video.ivf"));
            assert_eq!(probe(&video, "stream=codec_name"), "vp8");
            let frames = probe(&video, "frame=width,height");
            let sizes: BTreeSet<&str> = frames.lines().map(|line| line.trim_end_matches(',')).collect();
            // Firefox's fake camera has its own mind about sizes.
            assert!(kind == Kind::Firefox || sizes.contains("160,120") && sizes.len() > 1, "{sizes:?}");
        }
        assert!(soon(program.child.wait()).await.unwrap().success());
        element(client, "#problems li").await;
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 4);
    }
}
