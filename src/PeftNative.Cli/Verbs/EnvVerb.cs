using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using PeftNative.Backends;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Models.Families;
using ArmFeatures = System.Runtime.Intrinsics.Arm;
using X86Features = System.Runtime.Intrinsics.X86;

namespace PeftNative.Cli.Verbs;

/// <summary>Tells what the machine has and which backends work on it.</summary>
internal sealed class EnvVerb : Verb
{
    public override string Name => "env";

    public override string Summary => "shows version, processor and backends; what a bug report needs";

    public override string Example => "peftnative env --json";

    public override IReadOnlyList<Setting> Settings => [];

    public override bool ReadsConfig => false;

    public override int Run(SettingValues values, Terminal terminal)
    {
        var backends = Machine.Survey();
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        terminal.Object(ToJson(backends, memory));
        terminal.Line($"peftnative  {Product.Version}, .NET {Environment.Version}");
        terminal.Line(
            $"system      {RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}".TrimEnd());
        terminal.Line($"processor   {ProcessorName()}, {Environment.ProcessorCount} usable cores");
        terminal.Line($"features    {string.Join(' ', ProcessorFeatures())}");
        terminal.Line($"memory      {Quantity.Bytes(memory)} usable");
        terminal.Line($"models      {string.Join(' ', FamilyTable.ModelTypes)}");
        terminal.Line("backends");
        foreach (var backend in backends)
        {
            var mark = backend.IsChosen ? "chosen" : backend.IsAvailable ? "works" : "no";
            terminal.Line($"  {backend.Name,-14} {mark,-7} {backend.Detail}"
                + (backend.WhyNotChosen is { } why ? $" ({why})" : ""));
        }
        return 0;
    }

    private static JsonObject ToJson(IReadOnlyList<BackendStatus> backends, long memory) => new()
    {
        ["version"] = Product.Version,
        ["dotnet"] = Environment.Version.ToString(),
        ["os"] = RuntimeInformation.OSDescription,
        ["architecture"] = RuntimeInformation.ProcessArchitecture.ToString(),
        ["processor"] = ProcessorName(),
        ["cores"] = Environment.ProcessorCount,
        ["features"] = JsonLines.List(ProcessorFeatures()),
        ["memory_bytes"] = memory,
        ["model_types"] = JsonLines.List(FamilyTable.ModelTypes),
        ["backend"] = BackendFactory.Preferred,
        ["backends"] = new JsonArray([.. backends.Select(b => (JsonNode)new JsonObject
        {
            ["name"] = b.Name, ["available"] = b.IsAvailable, ["chosen"] = b.IsChosen, ["detail"] = b.Detail,
            ["why_not_chosen"] = b.WhyNotChosen,
        })]),
    };

    private static string ProcessorName()
    {
        const string Info = "/proc/cpuinfo";
        var line = File.Exists(Info)
            ? File.ReadLines(Info).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()
            ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")
            ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static IEnumerable<string> ProcessorFeatures()
    {
        (string Name, bool Has)[] features =
        [
            ("sse4.2", X86Features.Sse42.IsSupported), ("avx2", X86Features.Avx2.IsSupported),
            ("fma", X86Features.Fma.IsSupported),
            ("avx512f", X86Features.Avx512F.IsSupported), ("avx512bw", X86Features.Avx512BW.IsSupported),
            ("avx512vbmi", X86Features.Avx512Vbmi.IsSupported), ("avx10", X86Features.Avx10v1.IsSupported),
            ("neon", ArmFeatures.AdvSimd.IsSupported), ("dotprod", ArmFeatures.Dp.IsSupported),
        ];
        return features.Where(f => f.Has).Select(f => f.Name);
    }
}
