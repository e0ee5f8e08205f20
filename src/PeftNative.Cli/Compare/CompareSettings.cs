using PeftNative.Cli.Options;
using PeftNative.Lab.Comparison;

namespace PeftNative.Cli.Compare;

/// <summary>Settings of a comparison.</summary>
internal static class CompareSettings
{
    public static readonly Setting Output = new("output", SettingKind.Text,
        "Folder for results.json, report.html and the adapters. Default MODEL-compare.")
    {
        ValueName = "DIR", Aliases = ["output_dir"], Group = "What",
    };

    public static readonly Setting Methods = new("methods", SettingKind.Names,
        "Methods and baselines; by default all that suit the model. NAME-ANYTHING is one more of its kind.")
    {
        Aliases = ["method"], Group = "What",
    };

    public static readonly Setting Tasks = new("other_data", SettingKind.Text,
        "Data of another task, to change adapters; may be given several times.")
    {
        ValueName = "FILE", IsRepeatable = true, Group = "What",
    };

    public static readonly Setting OwnData = new("own_data", SettingKind.Text,
        "What the base can do: texts, or for encoders labelled texts of another kind. By default language models write "
            + "texts themselves.")
    {
        ValueName = "FILE", Group = "What",
    };

    public static readonly Setting Sizes = new("sizes", SettingKind.Wholes, "Numbers of training records.")
    {
        Default = "50,200,1000", Least = 1, Most = int.MaxValue, Group = "Means",
    };

    public static readonly Setting Seeds = new("seeds", SettingKind.Wholes, "Seeds; everything is done with each.")
    {
        Default = "42,43,44", Least = 0, Group = "Means",
    };

    public static readonly Setting Budget = new("budget", SettingKind.Whole, "Optimizer steps of each run.")
    {
        Default = "200", Least = 1, Most = int.MaxValue, Aliases = ["max_steps"], Group = "Means",
    };

    public static readonly Setting MostEpochs = new("most_epochs", SettingKind.Number,
        "Passes over the data that end a run before its budget.")
    {
        Default = "20", Least = 0.01, Group = "Means",
    };

    public static readonly Setting LearningRates = new("learning_rates", SettingKind.Map,
        "Rates of methods, instead of the usual ones.")
    {
        ValueName = "METHOD=X,...", Group = "Means",
    };

    public static readonly Setting MethodSettings = new("method_settings", SettingKind.Map,
        "Settings of methods, spelled as for train, and their learning_rate.")
    {
        ValueName = "METHOD.KEY=X,...", Group = "Means",
    };

    public static readonly Setting Continuations = new("continuations", SettingKind.Whole,
        "Prompts of the evaluation data that are continued and compared character for character.")
    {
        Default = "40", Least = 0, Most = 1_000_000, Group = "Means",
    };

    /// <summary>All settings of the verb.</summary>
    public static readonly Setting[] All =
    [
        Shared.Model, DataSettings.Data, DataSettings.EvalData, DataSettings.ValSize, Tasks, OwnData, Output, Methods,
        Sizes, Seeds,
        Budget, MostEpochs, DataSettings.BatchSize with { Default = "16", Group = "Means" }, LearningRates,
        MethodSettings, Continuations,
        .. DataSettings.Reading, .. Shared.Machine,
    ];

    /// <summary>The plan for a model.</summary>
    /// <param name="values">What the user asks for.</param>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer, for prompts that start from a text.</param>
    /// <param name="records">Training records there are.</param>
    public static ComparisonPlan Plan(SettingValues values, Models.TransformerModel model, Data.ITokenizer tokenizer,
        int records)
    {
        var changes = MethodChanges.Read(values);
        List<string> names = [.. (values.Texts(Methods) is { Count: > 0 } given
            ? given : [.. ComparedMethods.NamesFor(model)]).Distinct()];
        foreach (var (name, where) in changes.Names.Where(n => !names.Contains(n.Name)))
            throw new UsageException($"What is set for '{name}' is of no use: it takes no part.", where,
                $"There are: {string.Join(", ", names)}.");
        return new ComparisonPlan
        {
            Methods = [.. names.Select(n => changes.Apply(n, model, tokenizer))],
            Sizes = [.. Wholes(values, Sizes).Select(s => (int)Math.Min(s, records)).Distinct().Order()],
            Seeds = [.. Wholes(values, Seeds).Select(s => (ulong)s).Distinct()],
            Budget = values.Int(Budget), MostEpochs = values.Number(MostEpochs),
            BatchSize = values.Int(DataSettings.BatchSize),
        };
    }

    private static IEnumerable<long> Wholes(SettingValues values, Setting setting)
    {
        var list = (System.Text.Json.Nodes.JsonArray)values.Node(setting)!;
        return list.Count > 0 ? list.Select(n => n!.GetValue<long>())
            : throw new UsageException($"--{setting.Key} names none.", null, $"Give {setting.Usage}.");
    }
}
