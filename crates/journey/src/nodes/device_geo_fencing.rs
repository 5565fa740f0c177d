use super::device_match::PROFILE;
use super::prelude::*;

config! {
    /// Places, each `latitude,longitude`.
    locations: Vec<String>;
    /// Kilometres.
    distance: String = "10";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "DeviceGeoFencingNode";
    const NAME: &'static str = "Device GeoFencing";
    const ABOUT: &'static str = "Whether the device says that it is near one of these places.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = &[Key::Named(PROFILE)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let wrong = |what: &str| NodeError::Config(format!("{what:?} is not a place, or not a distance"));
        let most: f64 = config.distance.trim().parse().map_err(|_| wrong(&config.distance))?;
        let here = step.state.get(PROFILE).and_then(place);
        let here = here.ok_or_else(|| NodeError::State("the device did not say where it is".to_owned()))?;
        for known in &config.locations {
            let read = known.split_once(',').and_then(|(latitude, longitude)| {
                Some((latitude.trim().parse().ok()?, longitude.trim().parse().ok()?))
            });
            if kilometres(here, read.ok_or_else(|| wrong(known))?) < most {
                return decide(true);
            }
        }
        decide(false)
    }
}

/// Where a device's profile says that it is.
pub(crate) fn place(profile: &Value) -> Option<(f64, f64)> {
    let number = |name: &str| profile.get("location")?.get(name)?.as_f64();
    Some((number("latitude")?, number("longitude")?))
}

/// On a sphere (haversine): a few thousandths off, as the earth is.
pub(crate) fn kilometres((latitude, longitude): (f64, f64), (other_latitude, other_longitude): (f64, f64)) -> f64 {
    const RADIUS: f64 = 6371.0;
    let half = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
    let a = half(latitude, other_latitude)
        + latitude.to_radians().cos() * other_latitude.to_radians().cos() * half(longitude, other_longitude);
    2.0 * RADIUS * a.sqrt().min(1.0).asin()
}
