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

/// <summary>The little world the demo's texts are about.</summary>
internal static class Words
{
    private const string She =
        "Ada Amy Anna Bella Clara Daisy Emma Eva Fay Gina Hanna Ida Iris Jane Julia Kate Lea Lily Lucy Maya Mia Nora "
        + "Olga Paula Rita Rosa Sara Tina Vera Zoe";

    private const string He =
        "Adam Alex Ben Carl Dan David Erik Felix Finn George Hugo Ivan Jack John Karl Leo Luke Mark Max Nico Noah Oscar "
        + "Otto Paul Peter Ralf Sam Theo Tom Victor";

    private const string DeadThings =
        "apple pear lemon plum carrot potato=potatoes tomato=tomatoes egg cake cookie bottle cup plate spoon pot basket "
        + "box=boxes bag book pen letter card map picture lamp chair table clock key coin button ball doll drum kite boat "
        + "train car hat coat shirt scarf=scarves shoe sock ring flower rose tree leaf=leaves stone shell feather candle "
        + "rope";

    private const string LivingThings = "cat dog horse cow goat hen duck rabbit fish=fish frog bird";

    /// <summary>Everybody.</summary>
    public static readonly Person[] People =
        [.. She.Split(' ').Select(n => new Person(n, true)), .. He.Split(' ').Select(n => new Person(n, false))];

    public static readonly Thing[] Animals = [.. LivingThings.Split(' ').Select(Parse)];

    /// <summary>Everything that is owned, bought and counted.</summary>
    public static readonly Thing[] Things = [.. DeadThings.Split(' ').Select(Parse), .. Animals];

    public static readonly string[] Colours =
        "red green blue yellow white black brown grey pink orange purple golden".Split(' ');

    public static readonly string[] Places =
        "kitchen garden cellar attic garage hall bedroom shed office barn classroom yard".Split(' ');

    public static readonly string[] Numbers =
        "zero one two three four five six seven eight nine ten eleven twelve".Split(' ');

    public static readonly string[] Days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".Split(' ');

    public static readonly string[] Towns = "Oslo Bern Rome Lima Cairo Delhi Paris Tokyo".Split(' ');

    /// <summary>With a capital letter.</summary>
    public static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    /// <summary>a or an.</summary>
    public static string Article(string next) => "aeiou".Contains(next[0], StringComparison.Ordinal) ? "an" : "a";

    private static Thing Parse(string text)
    {
        var parts = text.Split('=');
        return new Thing(parts[0], parts.Length > 1 ? parts[1] : text + "s");
    }
}
