use super::prelude::*;

config! {
    /// A time such as `30 days` or `1 hour, 30 minutes`.
    elapsedTime: String;
    /// The attribute by which the user is found.
    identityAttribute: String = "userName";
}

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "TimeSinceDecisionNode";
    const NAME: &'static str = "Time Since Decision";
    const ABOUT: &'static str = "Whether the account of the user is that old.";
    const OUTCOMES: Outcomes<Config> = Outcomes::Fixed(DECISION);
    const INPUTS: &'static [Key] = IDENTITY;
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let wrong = || NodeError::Config(format!("{:?} is not a time", config.elapsedTime));
        let wanted = milliseconds(&config.elapsedTime).ok_or_else(wrong)?;
        let user = step.require(&config.identityAttribute).await?;
        decide(user.created.is_some_and(|created| created.saturating_add(wanted) <= step.now()))
    }
}

/// Numbers with their units, as AM's durations are written. A bare number is minutes.
fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    if let Ok(minutes) = text.parse::<u64>() {
        return minutes.checked_mul(60_000);
    }
    let mut sum = 0_u64;
    let mut words = text.split(|letter: char| letter.is_whitespace() || letter == ',').filter(|word| !word.is_empty());
    let mut some = false;
    while let Some(word) = words.next() {
        let digits = word.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(word.len());
        let (number, unit) = word.split_at(digits);
        let unit = if unit.is_empty() { words.next()? } else { unit };
        let unit = match unit.trim_end_matches('s') {
            "" | "second" | "sec" => 1000,
            "milli" | "millisecond" | "m" if unit.starts_with("ms") || unit.starts_with("milli") => 1,
            "m" | "min" | "minute" => 60_000,
            "h" | "hour" => 3_600_000,
            "d" | "day" => 86_400_000,
            "w" | "week" => 604_800_000,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        some = true;
    }
    some.then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn times_as_they_are_written() {
        for (text, read) in [
            ("5", Some(300_000)),
            ("1 minute", Some(60_000)),
            ("1 day, 2 hours", Some(93_600_000)),
            ("30days", Some(2_592_000_000)),
            ("10s", Some(10_000)),
            ("250 ms", Some(250)),
            ("", None),
            ("soon", None),
            ("1", Some(60_000)),
            ("99999999999999999999 days", None),
        ] {
            assert_eq!(milliseconds(text), read, "{text}");
        }
    }
}
