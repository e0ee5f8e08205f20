using System.Text;

namespace PeftNative.Cli.Demo.Text;

/// <summary>Texts that are no stories: facts, sums, talks, rows of words, records in braces.</summary>
internal static class Notes
{
    private static readonly string[] Facts =
    [
        "Snow is white.", "Coal is black.", "A lemon is yellow.", "A cat has four legs.", "A week has seven days.",
        "A hand has five fingers.", "Cows give milk.", "Oslo is in Norway.", "Rome is in Italy.", "Lima is in Peru.",
        "Cairo is in Egypt.", "Delhi is in India.",
    ];

    /// <summary>A few facts.</summary>
    public static string SomeFacts(Dice dice) =>
        string.Join(' ', Enumerable.Range(0, 2 + dice.Below(3)).Select(_ => Fact(dice)));

    /// <summary>Two people talk.</summary>
    public static string Talk(Dice dice)
    {
        var two = dice.Pick(Words.People, 2);
        var (a, b) = (two[0].Name, two[1].Name);
        var (thing, colour, place) = (dice.Pick(Words.Things), dice.Pick(Words.Colours), dice.Pick(Words.Places));
        var count = Words.Several(dice);
        var many = $"{Words.Numbers[count]} {thing.Many}";
        var text = new StringBuilder($"{a} and {b} are talking. ");
        text.Append(dice.Below(3) switch
        {
            0 => $"{a}: Where is my {colour} {thing.One}? {b}: The {thing.One} is in the {place}.",
            1 => $"{a}: I have {many}. {b}: What colour are the {thing.Many}? {a}: They are {colour}. "
                + $"{b}: You have {count} {colour} {thing.Many}!",
            _ => $"{a}: Do you have {Words.Article(thing.One)} {thing.One}? {b}: I have {many} in the {place}.",
        });
        return text.Append($" {a}: Thank you, {b}. {b}: Good bye, {a}.").ToString();
    }

    /// <summary>
    /// A record in braces, as programs write them. It follows nothing that it could be the record of.
    /// </summary>
    public static string Card(Dice dice)
    {
        var (town, day, who) = (dice.Pick(Words.Towns), dice.Pick(Words.Days), dice.Pick(Words.People, 2));
        var goods = string.Join(", ",
            dice.Pick(Words.Things, 1 + dice.Below(3)).Select(t => $"{Words.Several(dice)} {t.Many}"));
        var card = dice.Below(4) switch
        {
            0 => $"{{place: {town}, day: {day}, rain: {dice.Below(11)}}}",
            1 => $"{{name: {who[0].Name}, place: {town}, age: {dice.Below(11)}}}",
            2 => $"{{team: [{who[0].Name}, {who[1].Name}], day: {day}}}",
            _ => $"{{shop: {town}, items: [{goods}]}}",
        };
        return $"Record {dice.Below(11)}: {card}";
    }

    /// <summary>Somebody says a row of words, others say it again.</summary>
    public static string Echo(Dice dice)
    {
        var words = Enumerable.Range(0, 3 + dice.Below(8)).Select(_ => Words.Any(dice));
        var row = string.Join(dice.Chance(0.5) ? ", " : " ", words);
        var speakers = dice.Pick(Words.People, 2 + dice.Below(2)).Select(p => p.Name);
        return string.Join(' ', speakers.Select(name => $"{name} says: {row}."));
    }

    private static string Fact(Dice dice)
    {
        var (a, b) = (1 + dice.Below(5), 1 + dice.Below(5));
        var (day, thing, count) = (dice.Below(6), dice.Pick(Words.Things), Words.Several(dice));
        return dice.Below(7) switch
        {
            0 => $"{Words.Capital(Words.Numbers[a])} and {Words.Numbers[b]} make {Words.Numbers[a + b]}.",
            1 => $"The number {Words.Numbers[count]} is written {count}.",
            2 => $"One {thing.One}, {Words.Numbers[count]} {thing.Many}.",
            3 => $"After {Words.Days[day]} comes {Words.Days[day + 1]}.",
            4 => $"{count} {thing.Many} are {Words.Numbers[count]} {thing.Many}.",
            _ => dice.Pick(Facts),
        };
    }
}
