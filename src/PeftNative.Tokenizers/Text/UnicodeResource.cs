using System.Globalization;

namespace PeftNative.Tokenizers.Text;

/// <summary>The embedded file unicode.txt; its head says what it holds.</summary>
internal sealed class UnicodeResource
{
    private readonly Dictionary<string, CodePointSet> sets = [];

    private UnicodeResource()
    {
        using var stream = typeof(UnicodeResource).Assembly.GetManifestResourceStream("unicode.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#')) continue;
            var words = line.Split(' ');
            switch (words[0])
            {
                case "pair" or "canonical":
                    var parts = CodePoints(words);
                    Canonical[parts[0]] = parts[1..];
                    if (words[0] == "pair") Compositions[Pair(parts[1], parts[2])] = parts[0];
                    break;
                case "compatibility":
                    Compatibility[CodePoints(words)[0]] = CodePoints(words)[1..];
                    break;
                case "class":
                    var value = byte.Parse(words[1], CultureInfo.InvariantCulture);
                    foreach (var c in CodePointSet.Parse(string.Join(' ', words[2..])).All()) CombiningClass[c] = value;
                    break;
                default:
                    sets[$"{words[0]} {words[1]}"] = CodePointSet.Parse(string.Join(' ', words[2..]));
                    break;
            }
        }
    }

    /// <summary>The one instance.</summary>
    public static UnicodeResource Instance { get; } = new();

    /// <summary>One step of canonical decomposition.</summary>
    public Dictionary<int, int[]> Canonical { get; } = [];

    /// <summary>Full compatibility decomposition, where it differs from the canonical one.</summary>
    public Dictionary<int, int[]> Compatibility { get; } = [];

    /// <summary>Primary composites by <see cref="Pair"/> of their two parts.</summary>
    public Dictionary<long, int> Compositions { get; } = [];

    /// <summary>Combining classes other than 0.</summary>
    public Dictionary<int, byte> CombiningClass { get; } = [];

    /// <summary>A named set; empty where the file has none of that name.</summary>
    public CodePointSet Set(string name) => sets.GetValueOrDefault(name) ?? new([]);

    /// <summary>The set of a script's characters, or null.</summary>
    public CodePointSet? Script(string name) => sets.GetValueOrDefault($"script-{name} +");

    /// <summary>The key of two code points.</summary>
    public static long Pair(int first, int second) => ((long)first << 32) | (uint)second;

    private static int[] CodePoints(string[] words) => [.. words[1..].Select(w => CodePointSet.Hex(w))];
}
