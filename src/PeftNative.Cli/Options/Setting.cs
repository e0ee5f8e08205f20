global using SettingKind = PeftNative.Peft.Adapters.KeyKind;
using System.Text.Json.Nodes;

namespace PeftNative.Cli.Options;

/// <summary>
/// One thing a verb can be told, by flag or in a configuration file; its key is spelled with underscores.
/// </summary>
internal sealed record Setting(string Key, SettingKind Kind, string Help)
{
    /// <summary>Other names it goes by.</summary>
    public string[] Aliases { get; init; } = [];

    /// <summary>The value when none is given, as a user would write it; null for none.</summary>
    public string? Default { get; init; }

    /// <summary>What stands for the value in help; null for the kind's own word.</summary>
    public string? ValueName { get; init; }

    /// <summary>The words allowed; empty for any.</summary>
    public IReadOnlyList<string> Choices { get; init; } = [];

    /// <summary>The least number allowed.</summary>
    public double? Least { get; init; }

    /// <summary>The largest number allowed.</summary>
    public double? Most { get; init; }

    /// <summary>The number it must be less than.</summary>
    public double? Below { get; init; }

    /// <summary>Whether the flag may be given several times; its value then is a list.</summary>
    public bool IsRepeatable { get; init; }

    /// <summary>Whether the verb cannot do without it.</summary>
    public bool IsRequired { get; init; }

    /// <summary>Whether it is only a word on the command line, not a part of the configuration of a run.</summary>
    public bool IsFlagOnly { get; init; }

    /// <summary>The heading under which help lists it.</summary>
    public string Group { get; init; } = "Options";

    /// <summary>Every name, the key first.</summary>
    public IEnumerable<string> Names => [Key, .. Aliases];

    /// <summary>The flag as help writes it.</summary>
    public string Usage => Kind == SettingKind.Switch ? $"--{Key}" : $"--{Key} {ValueName ?? Word}";

    /// <summary>The value that stands when none is given.</summary>
    public JsonNode? DefaultValue => Default is null ? null : SettingValue.FromText(this, Default, $"default of {Key}");

    private string Word => Kind switch
    {
        _ when Choices.Count > 0 => string.Join('|', Choices),
        SettingKind.Whole => "N",
        SettingKind.Number or SettingKind.NumberOrText => "X",
        SettingKind.Names => "A,B",
        SettingKind.Wholes => "0,1",
        SettingKind.WholesOrMap => "0,1|JSON",
        SettingKind.NamesOrPattern => "A,B|REGEX",
        SettingKind.Map => "'{\"KEY\": VALUE}'",
        _ => "TEXT",
    };
}
