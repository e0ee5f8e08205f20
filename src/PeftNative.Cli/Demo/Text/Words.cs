namespace PeftNative.Cli.Demo.Text;

/// <summary>Somebody in a text.</summary>
internal sealed record Person(string Name, bool IsShe)
{
    public string They => IsShe ? "she" : "he";

    public string Their => IsShe ? "her" : "his";
}

/// <summary>A thing that can be counted.</summary>
internal sealed record Thing(string One, string Many)
{
    public string Of(int count) => count == 1 ? One : Many;
}

/// <summary>
/// The little world the demo's texts are about. It is small enough that each of its words is one token.
/// </summary>
internal static class Words
{
    private const string She =
        "Ada Anna Bella Clara Emma Eva Ida Iris Julia Kate Lea Lily Maya Mia Nora Olga Rita Sara Tina Zoe";

    private const string He =
        "Adam Alex Ben Carl David Felix Finn Hugo Ivan Jack Karl Leo Luke Max Noah Oscar Paul Peter Sam Tom";

    private const string DeadThings =
        "apple pear lemon egg cake bottle cup plate spoon box=boxes book pen letter map lamp chair clock key coin ball "
        + "boat hat shoe leaf=leaves stone candle";

    private const string LivingThings = "cat dog horse cow goat duck";

    /// <summary>Everybody.</summary>
    public static readonly Person[] People =
        [.. She.Split(' ').Select(n => new Person(n, true)), .. He.Split(' ').Select(n => new Person(n, false))];

    public static readonly Thing[] Animals = [.. LivingThings.Split(' ').Select(Parse)];

    /// <summary>Everything that is owned, bought and counted.</summary>
    public static readonly Thing[] Things = [.. DeadThings.Split(' ').Select(Parse), .. Animals];

    public static readonly string[] Colours = "red green blue yellow white black brown grey".Split(' ');

    public static readonly string[] Places =
        "kitchen garden cellar attic garage hall shed office barn yard".Split(' ');

    public static readonly string[] Numbers = "zero one two three four five six seven eight nine ten".Split(' ');

    public static readonly string[] Days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".Split(' ');

    public static readonly string[] Towns = "Oslo Bern Rome Lima Cairo Delhi".Split(' ');

    /// <summary>With a capital letter.</summary>
    public static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    /// <summary>a or an.</summary>
    public static string Article(string next) => "aeiou".Contains(next[0], StringComparison.Ordinal) ? "an" : "a";

    /// <summary>Some number of things that has a plural.</summary>
    public static int Several(Dice dice) => 2 + dice.Below(Numbers.Length - 2);

    /// <summary>Any word.</summary>
    public static string Any(Dice dice) => dice.Below(6) switch
    {
        0 => dice.Pick(Colours),
        1 => dice.Pick(Places),
        2 => dice.Pick(People).Name,
        3 => dice.Pick(Numbers),
        4 => dice.Pick(Things).One,
        _ => dice.Pick(Things).Many,
    };

    private static Thing Parse(string text)
    {
        var parts = text.Split('=');
        return new Thing(parts[0], parts.Length > 1 ? parts[1] : text + "s");
    }
}
