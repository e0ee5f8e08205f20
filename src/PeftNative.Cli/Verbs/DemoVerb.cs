using PeftNative.Cli.Demo.Base;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;

namespace PeftNative.Cli.Verbs;

/// <summary>Adapts the small base that ships with the program, and shows what that changes.</summary>
internal sealed class DemoVerb : Verb
{
    private static readonly Setting RebuildBase = new("rebuild_base", SettingKind.Text, "Instead of the demo, make its base again in this folder.")
    {
        ValueName = "DIR",
    };

    private static readonly Setting Steps = new("steps", SettingKind.Whole, "Training steps.") { Least = 1, Most = 1_000_000 };

    public override string Name => "demo";

    public override string Summary => "adapts a small model that comes with the program, and shows what changes";

    public override string Example => "peftnative demo";

    public override IReadOnlyList<Setting> Settings => [RebuildBase, Steps, Shared.Seed, Shared.Backend, Shared.Threads];

    public override bool ReadsConfig => false;

    public override int Run(SettingValues values, Terminal terminal)
    {
        using var backend = Machine.CreateBackend(values);
        Pretraining.Run(values.Text(RebuildBase), (ulong)values.Whole(Shared.Seed), (int)(values.OptionalWhole(Steps) ?? 2000), backend, terminal);
        return 0;
    }
}
