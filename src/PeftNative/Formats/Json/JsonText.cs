using System.Globalization;
using System.Text;

namespace PeftNative.Formats.Json;

/// <summary>JSON spellings for which byte equality with other writers matters, and the order of their keys.</summary>
internal static class JsonText
{
    /// <summary>Appends a quoted string; only what must be escaped is, or everything beyond ASCII as well.</summary>
    public static StringBuilder AppendString(this StringBuilder json, string text, bool asciiOnly)
    {
        json.Append('"');
        foreach (var c in text)
            _ = c switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\b' => json.Append("\\b"),
                '\f' => json.Append("\\f"),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                < ' ' => json.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                > '~' when asciiOnly => json.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => json.Append(c),
            };
        return json.Append('"');
    }

    /// <summary>
    /// The order of the UTF-8 bytes, which is that of the code points; UTF-16 order differs beyond the first plane.
    /// </summary>
    public static int CompareUtf8(string left, string right)
    {
        var shorter = Math.Min(left.Length, right.Length);
        var i = left.AsSpan().CommonPrefixLength(right);
        if (i == shorter) return left.Length - right.Length;
        var (a, b) = (left[i], right[i]);
        return char.IsSurrogate(a) == char.IsSurrogate(b) ? a - b : char.IsSurrogate(a) ? (b >= 0xE000 ? 1 : a - b)
            : a >= 0xE000 ? -1 : a - b;
    }
}
