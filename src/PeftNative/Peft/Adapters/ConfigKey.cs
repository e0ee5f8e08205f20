using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;

namespace PeftNative.Peft.Adapters;

/// <summary>
/// A setting of a method: the name that its files have for it, what it may be, and what it does. Immutable.
/// </summary>
/// <param name="Name">The key of adapter_config.json.</param>
/// <param name="Kind">What a user may write for it.</param>
/// <param name="Help">What it does, in a sentence.</param>
public abstract record ConfigKey(string Name, KeyKind Kind, string Help)
{
    /// <summary>Other names that a user may know it by.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>The words it may be; empty for any.</summary>
    public IReadOnlyList<string> Choices { get; init; } = [];

    /// <summary>What stands for its value in help; null for its kind's own word.</summary>
    public string? ValueName { get; init; }

    /// <summary>The least number it may be.</summary>
    public double? Least { get; init; }

    /// <summary>The largest number it may be.</summary>
    public double? Most { get; init; }

    /// <summary>The number that it must be less than.</summary>
    public double? Below { get; init; }

    /// <summary>Whether a user may give it; else it follows from the model, or is of no use here.</summary>
    public bool IsAsked { get; init; } = true;

    /// <summary>Whether it means the same for every method that has it.</summary>
    public bool IsGeneral { get; init; }

    /// <summary>Whether a file must have it.</summary>
    public bool IsRequired { get; init; }

    /// <summary>Whether numbers of it are held against its range.</summary>
    internal abstract bool ChecksNumbers { get; }

    /// <summary>A number the way Python writes an int that may be a float: whole ones without a fraction.</summary>
    internal static JsonNode AsWhole(double value) => value == Math.Truncate(value) && Math.Abs(value) < 1e15
        ? JsonValue.Create((long)value) : JsonValue.Create(value);

    /// <summary>A list of names as JSON, or null.</summary>
    internal static JsonNode? List(IEnumerable<string>? names) =>
        names is null ? null : new JsonArray([.. names.Select(n => (JsonNode)JsonValue.Create(n))]);

    /// <summary>A list of numbers as JSON, or null.</summary>
    internal static JsonNode? List(IEnumerable<int>? numbers) =>
        numbers is null ? null : new JsonArray([.. numbers.Select(n => (JsonNode)JsonValue.Create(n))]);
}

/// <summary>A setting of one method, which knows its place in the method's settings.</summary>
internal sealed record ConfigKey<TConfig>(string Name, KeyKind Kind, string Help) : ConfigKey(Name, Kind, Help)
    where TConfig : AdapterConfig
{
    /// <summary>The settings with the value of a file that has one; null where that is not read.</summary>
    internal Func<StrictObject, TConfig, TConfig>? Read { get; init; }

    /// <summary>The value for a file; null where none is written.</summary>
    internal Func<TConfig, JsonNode?>? Write { get; init; }

    /// <summary>The numbers that have to be in its range; null where it has none.</summary>
    internal Func<TConfig, IEnumerable<double>>? Numbers { get; init; }

    /// <inheritdoc/>
    internal override bool ChecksNumbers => Numbers is not null;

    /// <summary>
    /// The value without effect of a setting that is not supported, as JSON: a file that has another is refused.
    /// </summary>
    internal string? Off { get; init; }

    /// <summary>Refuses numbers outside the range.</summary>
    /// <exception cref="UsageException">A number is outside.</exception>
    internal void Check(TConfig config)
    {
        foreach (var value in Numbers?.Invoke(config) ?? []) Check(value);
    }

    private void Check(double value)
    {
        FormattableString? wanted = (Least, Most, Below) switch
        {
            _ when !double.IsFinite(value) => $"a finite number",
            ({ } least, { } most, _) when !(value >= least && value <= most) => $"between {least} and {most}",
            ({ } least, _, { } below) when !(value >= least && value < below) =>
                $"at least {least} and less than {below}",
            ({ } least, _, _) when !(value >= least) => $"at least {least}",
            _ => null,
        };
        if (wanted is not null)
            throw new UsageException(FormattableString.Invariant(
                $"{Name} must be {FormattableString.Invariant(wanted)}, not {value}."));
    }

    /// <summary>Refuses a file that has the setting on although it is not supported.</summary>
    /// <exception cref="ModelFormatException">The file has it on.</exception>
    internal void CheckOff(StrictObject json, string peftType)
    {
        if (Off is null || !json.Has(Name) || IsOff(json.Element.GetProperty(Name))) return;
        throw json.Error(Name,
            $"The {peftType} setting '{Name}' is not supported, and ignoring it could change the result.",
            "Make the adapter without it, or merge it with the tool that made it.").As(AdapterMisfit.NotSupported);
    }

    private bool IsOff(JsonElement value)
    {
        var off = JsonNode.Parse(Off!);
        return off?.GetValueKind() is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.String
            ? JsonNode.DeepEquals(off, JsonNode.Parse(value.GetRawText())) : AdapterConfig.IsOff(value);
    }
}
