using System.Text.RegularExpressions;

namespace PeftNative.Structure.Tests;

/// <summary>A place every operation has: a file, and what of the operation must stand in it.</summary>
/// <param name="File">The file's path; {Stem} and {stem} are the record's file in <c>Ops</c>.</param>
/// <param name="Word">
/// What it must name: {Record} and {record} are the record without its Op; empty where the file alone is asked for.
/// </param>
internal sealed record OperationPlace(string File, string Word);

/// <summary>
/// One stem everywhere: an operation is a record in <c>Ops</c>, and its file's name is that of its files in all rooms.
/// docs/adding-an-operation.md lists the same places.
/// </summary>
internal static partial class OperationPlaces
{
    private const string Core = "src/PeftNative/", Cpu = "native/cpu/", Lab = "src/PeftNative.Lab/";

    /// <summary>The places, in the order of the guide.</summary>
    public static IReadOnlyList<OperationPlace> All { get; } =
    [
        new(Core + "Ops/IBackend.cs", "{Record}Op"),
        new(Core + "Backends/Reference/{Stem}.cs", "{Record}Op"),
        new(Lab + "Cases/{Stem}Cases.cs", "{Record}Case"),
        new(Lab + "Cases/OperationCases.cs", "{Record}Case"),
        new("tests/PeftNative.Tests/Ops/FaultyBackend.cs", "{Record}Op"),
        new("tests/PeftNative.Tests/Ops/ForwardingBackend.cs", "{Record}Op"),
        new(Cpu + "peftnative.h", "pn_{record}"),
        new(Cpu + "api/checks.h", "pn_{record}"),
        new(Cpu + "api/checks.cpp", "pn_{record}"),
        new(Cpu + "api/operations.cpp", "pn_{record}"),
        new(Cpu + "core/kernels.h", "pn_{record}"),
        new(Cpu + "ops/ops.h", "pn_{record}"),
        new(Cpu + "ops/table.cpp", "{record}(_forward)?"),
        new(Cpu + "ops/{stem}.cpp", "pn_{record}"),
        new(Cpu + "CMakeLists.txt", "ops/{stem}"),
        new(Core + "Backends/NativeCpu/{Stem}.cs", "{Record}Op"),
        new(Core + "Backends/NativeCpu/CpuLibrary.cs", "({Record}Op|Native{Record})"),
        new("kernels/{stem}.cu", ""),
        new("src/PeftNative.Cuda/Operations/{Stem}.cs", "{Record}Op"),
        new("src/PeftNative.Ilgpu/Kernels/{Stem}.cs", ""),
        new("src/PeftNative.Ilgpu/Ops/{Stem}.cs", "{Record}Op"),
        new(Lab + "Benchmarking/Operations/{Stem}.cs", "{Record}Op"),
        new("benchmarks/PeftNative.Benchmarks/Ops/{Stem}Benchmarks.cs", ""),
    ];

    // What an operation does not have, and why.
    private static readonly (string Record, string Place, string Why)[] Absent =
    [
        ("Bottleneck", "Backends/Reference/", "runs as its parts"),
        ("Bottleneck", "Backends/NativeCpu/", "runs as its parts"),
        ("Bottleneck", Cpu, "runs as its parts"),
        ("Bottleneck", "src/PeftNative.Ilgpu/", "runs as its parts"),
        ("Dequantize", "/Benchmarking/", "is timed within steps"),
        ("Dequantize", "benchmarks/", "is timed within steps"),
        ("RegressionLoss", "/Benchmarking/", "is too small to be timed"),
    ];

    /// <summary>The records, without their Op, and the stems of their files.</summary>
    public static IReadOnlyList<(string Record, string Stem)> Records(Sources sources) =>
        [.. sources.Below(Core + "Ops").SelectMany(file => Record().Matches(file.Text)
            .Select(m => (m.Groups[1].Value, Path.GetFileNameWithoutExtension(file.Path))))];

    /// <summary>
    /// Places that an operation should have and has not, or has although it is written down as absent.
    /// </summary>
    public static IReadOnlyList<string> Wrong(Sources sources) =>
        [.. from operation in Records(sources)
            from place in All
            let has = Has(place, operation)
            where has == IsAbsent(operation.Record, place.File)
            select $"{operation.Record}: {Fill(place.File, operation)} {(has ? "has" : "lacks")} "
                + Fill(place.Word, operation)];

    private static bool Has(OperationPlace place, (string, string) operation) =>
        Sources.Text(Fill(place.File, operation)) is { } text
        && Regex.IsMatch(text, $@"(?<!\w){Fill(place.Word, operation)}{(place.Word.Length > 0 ? @"(?!\w)" : "")}");

    private static bool IsAbsent(string record, string file) =>
        Absent.Any(a => a.Record == record && file.Contains(a.Place, StringComparison.Ordinal));

    private static string Fill(string text, (string Record, string Stem) operation) => text
        .Replace("{Record}", operation.Record).Replace("{record}", InC(operation.Record))
        .Replace("{Stem}", operation.Stem).Replace("{stem}", InC(operation.Stem));

    // CrossEntropy is cross_entropy, AdamW is adamw.
    private static string InC(string name) => Hump().Replace(name, "_").ToLowerInvariant();

    [GeneratedRegex(@"record struct (\w+)Op\b")]
    private static partial Regex Record();

    [GeneratedRegex("(?<=[a-z])(?=[A-Z][a-z])")]
    private static partial Regex Hump();
}
