//! A number with a unit, as text: what durations and sizes share. Exact integer arithmetic only.

/// Splits `12.5ms rest` into number, unit and rest; `None` if it does not start with a digit.
pub(super) fn split(text: &str) -> Option<(&str, &str, &str)> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(number_end);
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let unit_end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    Some((number, unit, rest))
}

/// Why a number cannot be multiplied with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScaleError {
    /// More than one point, or none of its digits.
    NotANumber,
    /// The result is no whole number.
    TooFine,
    /// The result is beyond 64 bits.
    TooLarge,
}

/// `number`, which may have a fraction, times `unit`; the result must be whole.
pub(super) fn scale(number: &str, unit: u64) -> Result<u64, ScaleError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.contains('.') {
        return Err(ScaleError::NotANumber);
    }
    let whole: u128 = u128::from(whole.parse::<u64>().map_err(|_| ScaleError::TooLarge)?);
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > FRACTION_DIGITS_MAX {
        return Err(ScaleError::TooFine);
    }
    let numerator: u128 =
        if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| ScaleError::NotANumber)? };
    let denominator = 10_u128.pow(u32::try_from(fraction.len()).expect("at most 18 digits"));
    let part = numerator * u128::from(unit);
    if !part.is_multiple_of(denominator) {
        return Err(ScaleError::TooFine);
    }
    u64::try_from(whole * u128::from(unit) + part / denominator).map_err(|_| ScaleError::TooLarge)
}

/// Keeps the product of fraction and unit within 128 bits.
const FRACTION_DIGITS_MAX: usize = 18;
