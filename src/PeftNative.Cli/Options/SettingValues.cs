using System.Text.Json.Nodes;

namespace PeftNative.Cli.Options;

/// <summary>
/// The settings of one call: flags before the file, the file before defaults. Reading one that was not given yields its
/// default.
/// </summary>
internal sealed class SettingValues
{
    private readonly Dictionary<string, JsonNode> given = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> origins = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Setting> declared;

    /// <summary>Begins with nothing given.</summary>
    /// <param name="settings">The verb's settings: a verb may have another default for a setting that several
    /// share.</param>
    public SettingValues(IEnumerable<Setting> settings) => declared = settings.DistinctBy(s => s.Key)
        .ToDictionary(s => s.Key, StringComparer.Ordinal);

    /// <summary>Sets a value unless one of higher precedence is there; call in order of precedence.</summary>
    public void Add(Setting setting, JsonNode value, string origin)
    {
        if (!given.TryAdd(setting.Key, value)) return;
        origins[setting.Key] = origin;
    }

    /// <summary>Whether the user said something about it.</summary>
    public bool Has(Setting setting) => given.ContainsKey(setting.Key);

    /// <summary>Refuses settings that were given and would have no effect.</summary>
    /// <param name="settings">Those without a use.</param>
    /// <param name="why">Where they have none, in words behind "has no effect".</param>
    /// <param name="remedy">What to do beside leaving them out; null for nothing.</param>
    /// <exception cref="UsageException">One was given.</exception>
    public void Refuse(IEnumerable<Setting> settings, string why, string? remedy = null)
    {
        if (settings.FirstOrDefault(Has) is not { } unused) return;
        throw new UsageException($"--{unused.Key} has no effect {why}.", OriginOf(unused),
            remedy is null ? "Leave it out." : $"Leave it out, or {remedy}.");
    }

    /// <summary>Where the value comes from, for messages.</summary>
    public string OriginOf(Setting setting) => origins.GetValueOrDefault(setting.Key, "--" + setting.Key);

    /// <summary>The value or the default; null where there is neither.</summary>
    public JsonNode? Node(Setting setting) =>
        given.GetValueOrDefault(setting.Key) ?? declared.GetValueOrDefault(setting.Key, setting).DefaultValue;

    public string? OptionalText(Setting setting) => Node(setting) switch
    {
        JsonArray { Count: > 1 } list => throw new UsageException(
            $"--{setting.Key} is given {list.Count} times, and only one makes sense here.", OriginOf(setting),
            "Give it once."),
        JsonArray list => list.FirstOrDefault()?.GetValue<string>(),
        var node => node?.GetValue<string>(),
    };

    public string Text(Setting setting) => OptionalText(setting) ?? throw Missing(setting);

    public long? OptionalWhole(Setting setting) => Node(setting)?.GetValue<long>();

    public long Whole(Setting setting) => OptionalWhole(setting) ?? throw Missing(setting);

    /// <summary>A whole number that fits 32 bits.</summary>
    public int Int(Setting setting)
    {
        var value = Whole(setting);
        return value is >= int.MinValue and <= int.MaxValue ? (int)value
            : throw new UsageException($"--{setting.Key} is too large: {value}.", OriginOf(setting),
                "Give a smaller number.");
    }

    public double? OptionalNumber(Setting setting) => Node(setting)?.GetValue<double>();

    public double Number(Setting setting) => OptionalNumber(setting) ?? throw Missing(setting);

    public bool Switch(Setting setting) => Node(setting)?.GetValue<bool>() ?? false;

    /// <summary>The entries of a list; empty where none is given.</summary>
    public IReadOnlyList<string> Texts(Setting setting) => Node(setting) switch
    {
        null => [],
        JsonArray list => [.. list.Select(item => item!.GetValue<string>())],
        var single => [single.GetValue<string>()],
    };

    /// <summary>Every text of a value: itself, or those of a list; empty for numbers and switches.</summary>
    public IEnumerable<string> AllTexts(Setting setting) => Node(setting) switch
    {
        JsonArray list => list.OfType<JsonValue>().Where(v => v.TryGetValue<string>(out _))
            .Select(v => v.GetValue<string>()),
        JsonValue single when single.TryGetValue<string>(out var text) => [text],
        _ => [],
    };

    /// <summary>The entries of a map as texts; empty where none is given.</summary>
    public IReadOnlyDictionary<string, string> Map(Setting setting) => Node(setting) is JsonObject map
        ? map.ToDictionary(p => p.Key, p => p.Value?.ToString() ?? "") : new Dictionary<string, string>();

    /// <summary>The error for a setting the verb needs.</summary>
    public static UsageException Missing(Setting setting) =>
        new($"--{setting.Key} is missing.", null, $"Give {setting.Usage}: {setting.Help}");
}
