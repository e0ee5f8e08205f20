using PeftNative.Cli.Bench;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;

namespace PeftNative.Cli.Verbs;

/// <summary>Times what the engine does on this machine.</summary>
internal sealed class BenchVerb : Verb
{
    private static readonly Setting What = new("what", SettingKind.Text,
        "op (or op NAME), step, train, generate, load, growth, quantization or table; see docs/performance.md.")
    {
        ValueName = "WHAT [NAME]",
    };

    private static readonly Setting Operation = new("name", SettingKind.Text,
        "Which operation; all without one.") { ValueName = "NAME" };

    public override string Name => "bench";

    public override string Summary => "times operations, training steps, generation; compares reports";

    public override string Example =>
        "peftnative bench op linear --m 1024 --k 2048 --n 2048 --dtype fp32\npeftnative bench step --hidden 768 "
        + "--layers 12 --targets q,v --steps 7";

    public override Setting Argument => What;

    public override Setting SecondArgument => Operation;

    public override IReadOnlyList<Setting> Settings => BenchSettings.All;

    public override bool ReadsConfig => false;

    public override int Run(SettingValues values, Terminal terminal)
    {
        var what = values.OptionalText(What);
        if (values.OptionalText(BenchSettings.Compare) is { } before)
            return BenchRuns.Compare(terminal, before, what
                ?? throw new UsageException("The second report is missing.", "--compare",
                    "Write --compare A.json B.json."));
        if (what != "load") values.Refuse([BenchSettings.Base], "on a model made up on the spot", "run bench load");
        if (what != "op" && values.Has(Operation))
            throw new UsageException($"'{values.Text(Operation)}' stands where nothing is expected.",
                "peftnative bench");
        return what switch
        {
            "op" => BenchRuns.Operations(values, terminal, values.OptionalText(Operation)),
            "step" => BenchRuns.Step(values, terminal),
            "train" => BenchRuns.Train(values, terminal),
            "generate" => BenchRuns.Generate(values, terminal),
            "load" => LoadRun.Load(values, terminal),
            "growth" => BenchRuns.Growth(values, terminal),
            "quantization" => BenchRuns.Quantization(values, terminal),
            "table" => PeerTable.Run(values, terminal),
            null => throw new UsageException("It does not say what to time.", "peftnative bench",
                $"Give one of: {Words}."),
            _ => throw new UsageException($"There is no benchmark '{what}'.", "peftnative bench",
                $"Give one of: {Words}."),
        };
    }

    private const string Words = "op, step, train, generate, load, growth, quantization, table";
}
