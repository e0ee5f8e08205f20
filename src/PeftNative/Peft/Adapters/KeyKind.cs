namespace PeftNative.Peft.Adapters;

/// <summary>What a user may write for a setting.</summary>
public enum KeyKind
{
    /// <summary>A text.</summary>
    Text,

    /// <summary>A whole number.</summary>
    Whole,

    /// <summary>A number.</summary>
    Number,

    /// <summary>true or false.</summary>
    Switch,

    /// <summary>true, false or a word.</summary>
    SwitchOrText,

    /// <summary>A number or a word.</summary>
    NumberOrText,

    /// <summary>Names with commas between them.</summary>
    Names,

    /// <summary>Whole numbers with commas between them.</summary>
    Wholes,

    /// <summary>target_modules and its like: names, or one regular expression.</summary>
    NamesOrPattern,

    /// <summary>Whole numbers with commas between them, or lists of them in a JSON object.</summary>
    WholesOrMap,

    /// <summary>A JSON object, or key=value with commas between them.</summary>
    Map,
}
