using PeftNative.Cli.Output;

namespace PeftNative.Cli.Options;

/// <summary>Writes help that fits a screen: what the verb does, one whole call to copy, the settings.</summary>
internal static class HelpPrinter
{
    private const int Width = 110, MostRows = 20, MostWithValues = 15;

    /// <summary>What <c>peftnative</c> alone says.</summary>
    public static void PrintOverview(IReadOnlyList<Verb> verbs, TextWriter to)
    {
        to.WriteLine($"peftnative {Product.Version}: trains small adapters for Hugging Face models, without Python");
        to.WriteLine();
        to.WriteLine("Start with two flags:");
        to.WriteLine("  peftnative train --model ./my-model --data my-data.jsonl");
        to.WriteLine();
        foreach (var verb in verbs) to.WriteLine($"  {verb.Name,-9} {verb.Summary}");
        to.WriteLine();
        to.WriteLine("peftnative VERB --help shows a whole example of each. Every verb has --json for machines.");
        to.WriteLine(
            "Exit codes: 0 ok, 2 usage, 3 data, 4 model or format, 5 disk, 6 numbers, 7 memory, 130 and 143 "
                + "interrupted.");
    }

    /// <summary>What <c>peftnative VERB --help</c> says; in full, every setting has a line of its own.</summary>
    public static void Print(Verb verb, TextWriter to, bool inFull)
    {
        to.WriteLine($"peftnative {verb.Name}: {verb.Summary}");
        to.WriteLine();
        to.WriteLine("Example:");
        foreach (var line in verb.Example.Split('\n')) to.WriteLine("  " + line);
        if (verb.Argument is { } argument)
        {
            to.WriteLine();
            WriteRow(to, argument.ValueName!, argument.Help);
        }
        // A long list would not fit the screen; there the flags alone must do.
        var isSpacious = inFull || verb.AllSettings.Count() <= MostRows;
        if (!isSpacious) to.WriteLine();
        foreach (var group in verb.AllSettings.GroupBy(s => s.Group))
        {
            if (isSpacious) to.WriteLine();
            to.WriteLine(group.Key + ":");
            var settings = group.ToList();
            if (isSpacious) settings.ForEach(s => WriteRow(to, s.Usage, Describe(s, inFull)));
            else WriteFlags(to, settings);
        }
        if (verb.Notes.Length > 0) to.WriteLine("\n" + verb.Notes);
        if (!isSpacious) to.WriteLine($"\npeftnative {verb.Name} --help --verbose explains each of them.");
    }

    private static string Describe(Setting setting, bool inFull)
    {
        var text = setting.Help;
        if (setting.Default is { } value) text += $" Default {value}.";
        if (inFull && setting.Aliases.Length > 0)
            text += $" Also {string.Join(", ", setting.Aliases.Select(a => "--" + a))}.";
        return text;
    }

    private static void WriteRow(TextWriter to, string left, string text)
    {
        const int Indent = 28;
        var lines = Wrap(text.Split(' '), Width - Indent);
        to.WriteLine(left.Length < Indent - 3 ? $"  {left.PadRight(Indent - 3)} {lines[0]}"
            : $"  {left}\n{new string(' ', Indent)}{lines[0]}");
        foreach (var line in lines.Skip(1)) to.WriteLine(new string(' ', Indent) + line);
    }

    private static void WriteFlags(TextWriter to, List<Setting> settings)
    {
        // Of very many only the names have room.
        var isCrowded = settings.Count > MostWithValues;
        foreach (var line in Wrap([.. settings.Select(Flag)], Width - 4, "  ")) to.WriteLine("  " + line);

        string Flag(Setting s) => isCrowded ? $"--{s.Key}" : s.Default is null ? s.Usage : $"{s.Usage} [{s.Default}]";
    }

    private static List<string> Wrap(string[] words, int width, string between = " ")
    {
        var lines = new List<string> { words[0] };
        foreach (var word in words.Skip(1))
        {
            if (lines[^1].Length + between.Length + word.Length <= width) lines[^1] += between + word;
            else lines.Add(word);
        }
        return lines;
    }
}
