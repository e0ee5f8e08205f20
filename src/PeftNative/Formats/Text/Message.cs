namespace PeftNative.Formats.Text;

/// <summary>Small helpers for error messages about untrusted files.</summary>
internal static class Message
{
    /// <summary>The place of an error: a file and, where there is one, a tensor in it.</summary>
    public static string At(string file, string? tensor) => tensor is null ? file : $"{file}, tensor '{Clip(tensor)}'";

    /// <summary>Text from a file, short and without control characters, so that it cannot garble a terminal.</summary>
    public static string Clip(string text)
    {
        const int most = 120;
        var shown = text.Length > most ? string.Concat(text.AsSpan(0, most), "…") : text;
        return shown.Any(char.IsControl) ? string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c)) : shown;
    }
}
