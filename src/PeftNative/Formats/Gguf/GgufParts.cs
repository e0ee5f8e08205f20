using System.Globalization;
using System.Text.RegularExpressions;

namespace PeftNative.Formats.Gguf;

/// <summary>The files of a model that was split: NAME-00001-of-00003.gguf and so on. Thread-safe.</summary>
internal static partial class GgufParts
{
    private const string Number = "split.no", Files = "split.count", Tensors = "split.tensors.count";
    private const string Again = "Get all files of the model again.";

    /// <summary>The files after the first; none where the model is in one.</summary>
    /// <exception cref="ModelFormatException">The file is not the first, or another is missing.</exception>
    internal static IReadOnlyList<string> Of(string path, GgufValues values)
    {
        if (values.Integer(Files) is not > 1 and var single)
            return single is null or 0 or 1 ? [] : throw values.Error(Files, $"is {single}");
        var count = values.Integer(Files)!.Value;
        if (values.Integer(Number) is not 0)
            throw values.Error(Number, $"is {values.Integer(Number)}: this is not the first file of the model",
                "Give the file whose name has 00001-of in it.");
        var name = Pattern().Match(path);
        if (!name.Success || Value(name, "no") != 1 || Value(name, "count") != count)
            throw values.Error(Files, $"is {count}, which the name of the file does not say",
                $"The file was named NAME-00001-of-{count:00000}.gguf when it was written.");
        List<string> parts = [];
        for (var i = 2; i <= count; i++)
        {
            parts.Add($"{name.Groups["stem"].Value}-{i:00000}-of-{count:00000}.gguf");
            if (!File.Exists(parts[^1]))
                throw new ModelFormatException($"File {i} of {count} of the model is missing.", parts[^1], Again);
        }
        return parts;
    }

    /// <summary>Makes sure that a file is the part that its name says.</summary>
    internal static void Check(GgufFile file, int number, int count)
    {
        var (no, files) = (file.Values.Integer(Number), file.Values.Integer(Files));
        if (no != number) throw file.Values.Error(Number, $"is {no}, expected {number}", Again);
        if (files != count) throw file.Values.Error(Files, $"is {files}, expected {count}", Again);
    }

    /// <summary>Makes sure that all tensors are there.</summary>
    internal static void CheckCount(GgufValues values, int found)
    {
        if (values.Integer(Tensors) is { } count && count != found)
            throw values.Error(Tensors, $"is {count}, and the files have {found}", Again);
    }

    private static int Value(Match match, string group) =>
        int.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(?<stem>.*)-(?<no>\d{5})-of-(?<count>\d{5})\.gguf$",
        RegexOptions.CultureInvariant | RegexOptions.Singleline)]
    private static partial Regex Pattern();
}
