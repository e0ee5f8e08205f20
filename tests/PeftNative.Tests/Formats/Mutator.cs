using System.Text;

namespace PeftNative.Tests.Formats;

/// <summary>
/// Damages bytes in the ways files get damaged, and in the ways attackers choose; the same seed gives the same bytes.
/// </summary>
internal sealed class Mutator(int seed, byte[][] corpus)
{
    private static readonly string[] Numbers =
    [
        "0", "1", "2", "7", "8", "-1", "-0", "00", "255", "65536", "2147483647", "2147483648", "4294967296",
        "9223372036854775807",
        "9223372036854775808", "18446744073709551615", "18446744073709551616", "1.0", "0.5", "1e3", "1e999", "-1e-999",
        "NaN",
        "99999999999999999999999999999999999999999999999999",
    ];

    private static readonly string[] Tokens =
    [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\0", "\n", " ", "null", "true", "{}", "[]", "\"\"", "\"a\"",
        "\"a\":", "\\u0061",
        "\\ud800", "\ufeff", "//", "é", "\"__metadata__\":", "\"dtype\":", "\"shape\":", "\"data_offsets\":",
        "\"BOOL\"", "\"F4\"",
        "\"F6_E2M3\"", "\"F64\"", "\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,0]", "../", "[[[[[[[[[[[[[[[[",
        "{\"a\":{\"a\":{\"a\":", "<html",
    ];

    private static readonly string[] Texts =
    [
        "\"\"", "\"a\"", "\"b\"", "\"\\u0061\"", "\"\\ud800\"", "\"__metadata__\"", "\"dtype\"", "\"shape\"",
        "\"data_offsets\"", "\"BOOL\"",
        "\"F6_E2M3\"", "\"F64\"", "\"f32\"", "\"../x.safetensors\"", "\"weight_map\"", "null", "true", "1", "-1.5",
        "{}", "[]", "[1]",
        "{\"a\":\"b\"}",
    ];

    private readonly Random _random = new(seed);

    public Random Random => _random;

    /// <summary>One file of the corpus after one to four changes.</summary>
    public byte[] Next()
    {
        var bytes = Pick(corpus).ToList();
        for (var changes = 1 + _random.Next(4); changes > 0; changes--) Change(bytes);
        return [.. bytes];
    }

    private void Change(List<byte> bytes)
    {
        switch (_random.Next(12))
        {
            case 0: Replace(bytes, 1, b => [(byte)(b[0] ^ (1 << _random.Next(8)))]); break;
            case 1: Replace(bytes, 1, _ => [(byte)_random.Next(256)]); break;
            case 2: Replace(bytes, _random.Next(1, 9), _ => []); break;
            case 3: Replace(bytes, _random.Next(1, 33), b => [.. b, .. b]); break;
            case 4: Replace(bytes, 0, _ => Encoding.UTF8.GetBytes(Pick(Tokens))); break;
            case 5: Replace(bytes, _random.Next(1, 6), _ => Encoding.UTF8.GetBytes(Pick(Tokens))); break;
            case 6: Cut(bytes, _random.Next(bytes.Count + 1)); break;
            case 7: Splice(bytes); break;
            case 8 or 9: EditText(bytes); break;
            default: EditNumber(bytes); break;
        }
    }

    private void Replace(List<byte> bytes, int length, Func<byte[], byte[]> change)
    {
        if (length > bytes.Count) return;
        var at = _random.Next(bytes.Count - length + 1);
        var old = bytes.GetRange(at, length).ToArray();
        bytes.RemoveRange(at, length);
        bytes.InsertRange(at, change(old));
    }

    private static void Cut(List<byte> bytes, int at) => bytes.RemoveRange(at, bytes.Count - at);

    private void Splice(List<byte> bytes)
    {
        var other = Pick(corpus);
        var (from, length) = (_random.Next(other.Length), _random.Next(1, 80));
        var piece = other[from..Math.Min(other.Length, from + length)];
        Replace(bytes, _random.Next(0, Math.Min(bytes.Count, 80) + 1), _ => piece);
    }

    private void EditNumber(List<byte> bytes)
    {
        var starts = Enumerable.Range(0, bytes.Count).Where(i => Digit(bytes, i) && !Digit(bytes, i - 1)).ToList();
        if (starts.Count == 0) return;
        var start = starts[_random.Next(starts.Count)];
        var end = start;
        while (Digit(bytes, end)) end++;
        bytes.RemoveRange(start, end - start);
        bytes.InsertRange(start, Encoding.ASCII.GetBytes(Pick(Numbers)));
    }

    private void EditText(List<byte> bytes)
    {
        var quotes = Enumerable.Range(0, bytes.Count).Where(i => bytes[i] == '"').ToList();
        if (quotes.Count < 2) return;
        var first = _random.Next(quotes.Count - 1);
        bytes.RemoveRange(quotes[first], quotes[first + 1] + 1 - quotes[first]);
        bytes.InsertRange(quotes[first], Encoding.UTF8.GetBytes(Pick(Texts)));
    }

    private static bool Digit(List<byte> bytes, int i) =>
        i >= 0 && i < bytes.Count && char.IsAsciiDigit((char)bytes[i]);

    private T Pick<T>(T[] choices) => choices[_random.Next(choices.Length)];
}
