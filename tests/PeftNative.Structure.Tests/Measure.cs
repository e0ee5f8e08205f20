using System.Text.RegularExpressions;

namespace PeftNative.Structure.Tests;

/// <summary>A number that says how the house stands.</summary>
/// <param name="Name">What is counted.</param>
/// <param name="Limit">What it must not exceed: the number of the day it was last made smaller; null to show it
/// only.</param>
/// <param name="Goal">Where it should be.</param>
/// <param name="Count">What counts it: a line for each thing found.</param>
internal sealed record Measure(string Name, int? Limit, string Goal, Func<Sources, IReadOnlyList<string>> Count)
{
    /// <summary>All of them, in the order of the table.</summary>
    public static IReadOnlyList<Measure> All { get; } =
    [
        new("files outside a method's folder that name P-tuning's config", 0, "0",
            s => Naming(s, "PTuningConfig", except: "src/PeftNative/Peft/PTuning/")),
        new("files outside a method's folder that name LoRA's config or adapter", 1, "2",
            s => Naming(s, "LoraConfig|LoraAdapter", except: "src/PeftNative/Peft/Lora/")),
        new("files outside IA3's folder where the method is entered", 0, "1",
            s => Naming(s, "Ia3Config|Ia3Adapter|IA3Config", except: "src/PeftNative/Peft/Ia3/")),
        new("places to enter a method: files outside IA3's folder that name it, families aside", null, "1",
            s => [.. Naming(s, @"Ia3(Method|Config|Adapter|Linear)|(?<="")(ia3|IA3)(?="")", "src/PeftNative/Peft/Ia3/")
                .Where(path => !path.Contains("/Families/", StringComparison.Ordinal))]),
        new("places to enter a dense decoder: files beside its own that name StableLM", null, "1",
            s => Naming(s, "StableLm(Family)?|stablelm", "src/PeftNative/Models/Families/StableLmFamily.cs")),
        new("lines outside Families that name a family", 0, "0",
            s => Lines(s.Below("src").Where(f => !f.Path.Contains("/Families/", StringComparison.Ordinal)),
                "\"(gpt_neox|gemma3_text|mt5)\"")),
        new("arrows in circles between rooms, by symbols", 2, "2 (Tensors and Ops)",
            _ => [.. RoomGraph.Here.Circles().SelectMany(circle => RoomGraph.Here.Arrows(circle))]),
        new("members of Pass used outside", 14, "14", _ => RoomGraph.Here.UsedOfPass),
        new("includes of the native library that go up", 0, "0", NativeRooms.Upward),
        new("files whose namespace is not their folder's", 0, "0", Namespaces.Misplaced),
        new("lines over 120", 0, "0", s => Lines(s.All, "^.{121,}$")),
        new("lines of Pass", 89, "90",
            s => [.. s.Core.Single(f => f.Path.EndsWith("/Pass.cs", StringComparison.Ordinal)).Lines]),
        new("begun passes outside ModelRun", 0, "0",
            s => Lines(s.Below("src", "docs").Where(f => !f.Path.EndsWith("/ModelRun.cs", StringComparison.Ordinal)),
                @"[pP]ass\.Begin\(")),
        new("public types of the core", null, "255",
            s => Lines(
                [new("PublicApi.txt", File.ReadAllText(Path.Combine(Sources.Root, "src/PeftNative/PublicApi.txt")))],
                ": (static |abstract )?(class|struct|enum|interface)$")),
        new("lines of the core", null, "20,500", s => [.. s.Core.SelectMany(file => file.Lines)]),
    ];

    private static IReadOnlyList<string> Naming(Sources sources, string words, string except) =>
        [.. sources.Below("src").Where(file => !file.Path.StartsWith(except, StringComparison.Ordinal)
            && Regex.IsMatch(file.Text, $@"\b({words})\b")).Select(file => file.Path)];

    private static IReadOnlyList<string> Lines(IEnumerable<SourceFile> files, string pattern) =>
        [.. files.SelectMany(file => file.Lines.Select((line, i) => (line, i))
            .Where(l => Regex.IsMatch(l.line, pattern))
            .Select(l => $"{file.Path}:{l.i + 1}"))];
}
