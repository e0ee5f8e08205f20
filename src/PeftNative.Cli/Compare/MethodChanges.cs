using System.Globalization;
using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Data;
using PeftNative.Lab.Comparison;
using PeftNative.Models;

namespace PeftNative.Cli.Compare;

/// <summary>
/// What a user sets for single methods of a comparison: learning rates, and settings spelled as train has them.
/// </summary>
internal sealed class MethodChanges
{
    private const string Rate = "learning_rate";

    private readonly Dictionary<string, JsonObject> settings = [];
    private readonly Dictionary<string, double> rates = [];
    private readonly List<(string Name, string Where)> names = [];

    private MethodChanges()
    {
    }

    /// <summary>The methods that something is set for, and where.</summary>
    public IReadOnlyList<(string Name, string Where)> Names => names;

    /// <summary>
    /// Reads --learning_rates and --method_settings; the latter as METHOD.KEY=X pairs or as an object of objects.
    /// </summary>
    /// <exception cref="UsageException">Something is neither.</exception>
    public static MethodChanges Read(SettingValues values)
    {
        var result = new MethodChanges();
        foreach (var (name, value) in Map(values, CompareSettings.LearningRates)) result.AddRate(name, value,
            values.OriginOf(CompareSettings.LearningRates));
        var where = values.OriginOf(CompareSettings.MethodSettings);
        foreach (var (name, value) in Map(values, CompareSettings.MethodSettings))
        {
            if (value is JsonObject keys)
                foreach (var (key, inner) in keys) result.Add(name, key, inner, where);
            else if (name.Split('.', 2) is [{ Length: > 0 } method, { Length: > 0 } key])
                result.Add(method, key, value, where);
            else throw new UsageException($"'{name}' is no setting of a method.", where,
                "Write METHOD.KEY=X, such as lora.r=16, or {\"lora\": {\"r\": 16}}.");
        }
        return result;
    }

    /// <summary>A method with what was set for it.</summary>
    /// <exception cref="UsageException">There is no such method, or it has no such setting.</exception>
    public ComparedMethod Apply(string name, TransformerModel model, ITokenizer tokenizer)
    {
        var method = ComparedMethods.Create(name, model, rates.TryGetValue(name, out var rate) ? rate : null);
        var config = settings.TryGetValue(name, out var changes)
            ? MethodSettings.Change(method.Config, changes, names.First(n => n.Name == name).Where) : method.Config;
        return method with { Config = config.WithTokenizer(tokenizer).WithTargets(model) };
    }

    private void Add(string method, string key, JsonNode? value, string where)
    {
        if (key.Replace('-', '_') is Rate or "lr")
        {
            AddRate(method, value, where);
            return;
        }
        names.Add((method, where));
        if (!settings.TryGetValue(method, out var keys)) settings[method] = keys = [];
        keys[key] = value?.DeepClone();
    }

    private void AddRate(string method, JsonNode? value, string where)
    {
        names.Add((method, where));
        rates[method] = double.TryParse(value?.ToString(), NumberStyles.Float, CultureInfo.InvariantCulture,
            out var rate) && rate > 0 && double.IsFinite(rate) ? rate
            : throw new UsageException($"The rate of '{method}' must be a positive number, not '{value}'.", where);
    }

    private static JsonObject Map(SettingValues values, Setting setting) => values.Node(setting) as JsonObject ?? [];
}
