//! What people would see: screenshots, and the part of them where a video is.

use fantoccini::Client;
use serde_json::{Value, json};
use visavis_tests::isolation;

use crate::calls::ffmpeg;

pub(crate) type Pixel = [u8; 3];

/// To this size pictures are brought before they are looked at, in pixels.
const WIDTH: usize = 64;
const HEIGHT: usize = 48;

/// A small picture.
pub(crate) struct Picture(Vec<Pixel>);

impl Picture {
    /// Of a PNG, or of the part of it that is so wide, so high, and at this place.
    pub(crate) fn of_png(png: &[u8], part: Option<[u64; 4]>) -> Self {
        let [from, to] = ["picture.png", "picture.rgb"].map(|name| isolation::scratch().join(name));
        std::fs::write(&from, png).unwrap();
        // A part that is not in the picture as a whole is an error of ffmpeg.
        let crop = part.map(|[width, height, x, y]| format!("crop={width}:{height}:{x}:{y}:exact=1,"));
        let filter = format!("{}scale={WIDTH}:{HEIGHT}:flags=area", crop.unwrap_or_default());
        let (from, to) = (from.to_string_lossy(), to.to_string_lossy());
        ffmpeg(&["-i", &from, "-vf", &filter, "-f", "rawvideo", "-pix_fmt", "rgb24", &to]);
        let bytes = std::fs::read(&*to).unwrap();
        assert_eq!(bytes.len(), WIDTH * HEIGHT * 3);
        Self(bytes.chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
    }

    /// The part of a screenshot, of what the window shows now, where an element is.
    pub(crate) async fn of_element(client: &Client, screenshot: &[u8], css: &str) -> Self {
        let script = "const { x, y, width, height } = document.querySelector(arguments[0]).getBoundingClientRect();
            return [width, height, x, y].map((one) => Math.round(one * devicePixelRatio));";
        let part = client.execute(script, vec![json!(css)]).await.unwrap();
        let part = [0, 1, 2, 3].map(|index| {
            part[index].as_u64().unwrap_or_else(|| panic!("{css} is not where the window shows it: {part}"))
        });
        Self::of_png(screenshot, Some(part))
    }

    /// What a script makes of a video with a canvas: `video` is an expression for the element.
    async fn of_video(client: &Client, video: &str) -> Self {
        let script = format!(
            "const [width, height] = arguments;
            const context = Object.assign(document.createElement('canvas'), {{ width, height }}).getContext('2d');
            context.drawImage({video}, 0, 0, width, height);
            return [...context.getImageData(0, 0, width, height).data];"
        );
        let data = client.execute(&script, vec![json!(WIDTH), json!(HEIGHT)]).await.unwrap();
        let bytes: Vec<u8> = serde_json::from_value(data).unwrap();
        Self(bytes.chunks_exact(4).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
    }

    /// The colour at a place, as parts of the size.
    pub(crate) fn at(&self, x: f64, y: f64) -> Pixel {
        self.0[(y * HEIGHT as f64) as usize * WIDTH + (x * WIDTH as f64) as usize]
    }

    /// In how many places it is like this colour, of 3,072.
    pub(crate) fn count(&self, wanted: Pixel) -> usize {
        self.0.iter().filter(|pixel| is_like(**pixel, wanted)).count()
    }

    /// In which part of its places it is like another picture.
    fn likeness(&self, other: &Self) -> f64 {
        let alike = self.0.iter().zip(&other.0).filter(|(one, other)| is_like(**one, **other)).count();
        alike as f64 / self.0.len() as f64
    }

    /// In how many places it differs from another picture, if only a little.
    pub(crate) fn changes(&self, other: &Self) -> usize {
        let differs = |(one, other): &(&Pixel, &Pixel)| one.iter().zip(*other).any(|(a, b)| a.abs_diff(*b) > 40);
        self.0.iter().zip(&other.0).filter(differs).count()
    }

    /// Whether there is more to see than the black of a video that shows nothing.
    pub(crate) fn is_lit(&self) -> bool {
        let dark = self.count([0, 0, 0]);
        dark < self.0.len() / 2
    }

    /// The test picture has large areas of these.
    pub(crate) fn check_clip(&self) {
        for wanted in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]] {
            assert!(self.count(wanted) > 40, "{} of {} places are {wanted:?}", self.count(wanted), self.0.len());
        }
    }
}

pub(crate) fn is_like(colour: Pixel, wanted: Pixel) -> bool {
    colour.iter().zip(wanted).all(|(one, other)| one.abs_diff(other) < 60)
}

/// Keeps the camera that the page is going to ask for, so that what it shows can be compared.
pub(crate) async fn watch_camera(client: &Client) {
    let script = "const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wanted) => {
            const stream = await ask(wanted);
            window.ownCamera = Object.assign(document.createElement('video'), { muted: true, srcObject: stream });
            window.ownCamera.play();
            return stream;
        };
        return null;";
    let nothing = client.execute(script, vec![]).await.unwrap();
    assert_eq!(nothing, Value::Null);
}

/// What the camera shows, which is more than black.
pub(crate) async fn camera(client: &Client) -> Picture {
    let picture = Picture::of_video(client, "window.ownCamera").await;
    assert!(picture.is_lit(), "the camera shows {:?}", picture.at(0.5, 0.5));
    picture
}

/// Whether a picture is what the camera showed at one of these times, but for what moves.
pub(crate) fn check_echo(echo: &Picture, cameras: &[Picture]) {
    let likeness: Vec<f64> = cameras.iter().map(|camera| camera.likeness(echo)).collect();
    assert!(likeness.iter().any(|part| *part > 0.85), "like the camera in {likeness:?} of its places");
    assert!(echo.is_lit());
}
