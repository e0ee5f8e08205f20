using PeftNative.Cli.Demo;
using PeftNative.Cli.Demo.Base;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Formats.Storage;

namespace PeftNative.Cli.Verbs;

/// <summary>Adapts the small base that ships with the program, and shows what that changes.</summary>
internal sealed class DemoVerb : Verb
{
    private static readonly Setting Output = new("output", SettingKind.Text,
        "Folder for the adapters, results.json and report.html.")
    {
        Default = "peftnative-demo", ValueName = "DIR", Aliases = ["output_dir"],
    };

    private static readonly Setting Base = new("base", SettingKind.Text, "A base made with --rebuild_base.")
    {
        ValueName = "DIR",
    };

    private static readonly Setting RebuildBase = new(
        "rebuild_base", SettingKind.Text, "Instead of the demo, make its base again in this folder.")
    {
        ValueName = "DIR",
    };

    private static readonly Setting Steps = new(
        "steps", SettingKind.Whole,
        "Training steps of each run; by default as many as take a minute and a half together.")
    {
        Least = 1, Most = 1_000_000, Aliases = ["max_steps"],
    };

    public override string Name => "demo";

    public override string Summary =>
        "teaches a small model that comes with the program a new task in six ways, in about two minutes";

    public override string Example => "peftnative demo --output my-demo";

    public override string Notes =>
        $"The base was made with: peftnative demo --rebuild_base DIR --steps {Pretraining.DefaultSteps} --seed 42";

    public override IReadOnlyList<Setting> Settings =>
        [Output, Base, Steps, RebuildBase, Shared.Seed, Shared.Backend, Shared.Device, Shared.Threads];

    public override bool ReadsConfig => false;

    public override int Run(SettingValues values, Terminal terminal)
    {
        using var backend = Machine.CreateBackend(values);
        var (seed, steps) = ((ulong)values.Whole(Shared.Seed), (int?)values.OptionalWhole(Steps));
        if (values.OptionalText(RebuildBase) is { } folder)
        {
            steps ??= Pretraining.DefaultSteps;
            Pretraining.Run(folder, seed, Pretraining.DefaultTexts, steps.Value, backend, terminal);
            return 0;
        }
        var plan = DemoPlan.For(backend);
        plan = plan with { Steps = steps ?? plan.Steps };
        if (backend.Name == "reference")
            terminal.Note("This is the slow reference backend, so the demo trains only a little; with the native "
                + "library (C++ compiler and CMake) it learns the task.");
        var output = values.Text(Output);
        var run = new DemoRun(BaseFolder(values), output, plan, seed, backend, terminal);
        DemoConsole.Begin(run.Facts, terminal);
        var found = run.Run();
        var report = Path.Combine(output, "report.html");
        AtomicFile.WriteText(report, DemoReport.Write(found));
        DemoConsole.End(found, report, terminal);
        return found.IsProved ? 0 : 1;
    }

    private static string BaseFolder(SettingValues values)
    {
        var folder = values.OptionalText(Base) ?? BaseFiles.Bundled;
        return File.Exists(Path.Combine(folder, "model.safetensors")) ? folder
            : throw new ModelFormatException("The demo's base is not there.", folder,
                "Make it with peftnative demo --rebuild_base DIR, and give --base DIR.");
    }
}
