using System.Text;

namespace PeftNative.Cli.Demo.Text;

/// <summary>Texts that are no stories: facts, sums, talks, words in quotation marks, rows of words, records in braces.</summary>
internal static class Notes
{
    private static readonly string[] Facts =
    [
        "Snow is white.", "Grass is green.", "The sky is blue.", "Coal is black.", "A lemon is yellow.",
        "Milk is white.", "Ice is cold.", "Fire is hot.", "A bird has two wings.", "A cat has four legs.",
        "A week has seven days.",
        "A year has twelve months.", "A hand has five fingers.", "Fish live in water.", "Bees make honey.",
        "Cows give milk.", "Hens lay eggs.", "Sheep give wool.", "The sun rises in the east.", "Oslo is in Norway.",
        "Bern is in Switzerland.", "Rome is in Italy.", "Lima is in Peru.", "Cairo is in Egypt.", "Delhi is in India.",
        "Paris is in France.", "Tokyo is in Japan.", "Iron is heavy.", "A feather is light.", "Wood comes from trees.",
        "Bread is made from flour.",
    ];

    /// <summary>A few facts.</summary>
    public static string SomeFacts(Dice dice) =>
        string.Join(' ', Enumerable.Range(0, 2 + dice.Below(3)).Select(_ => Fact(dice)));

    /// <summary>Two people talk, as in a play.</summary>
    public static string Talk(Dice dice)
    {
        var two = dice.Pick(Words.People, 2);
        var (a, b) = (two[0].Name, two[1].Name);
        var (thing, colour, place) = (dice.Pick(Words.Things), dice.Pick(Words.Colours), dice.Pick(Words.Places));
        var count = 2 + dice.Below(11);
        var many = $"{Words.Numbers[count]} {thing.Many}";
        var text = new StringBuilder($"{a} and {b} are talking.\n");
        text.Append(dice.Below(3) switch
        {
            0 => $"{a}: Where is my {colour} {thing.One}?\n{b}: The {thing.One} is in the {place}.\n",
            1 => $"{a}: I have {many}.\n{b}: What colour are they?\n{a}: They are {colour}.\n"
                + $"{b}: {count} {colour} {thing.Many}!\n",
            _ => $"{a}: Do you have {Words.Article(thing.One)} {thing.One}?\n{b}: I have {many} in the {place}.\n",
        });
        return text.Append($"{a}: Thank you, {b}.\n{b}: Good bye, {a}.").ToString();
    }

    /// <summary>Somebody writes or reads single words.</summary>
    public static string Spelling(Dice dice)
    {
        var who = dice.Pick(Words.People);
        var word = Word(dice);
        return dice.Below(4) switch
        {
            0 => $"{who.Name} learns the word {word}. {Words.Capital(who.They)} writes \"{word}\" on a card. "
                + $"The card says \"{word}\".",
            1 => $"{who.Name} writes a word. The word is {word}. Now there are two words on the paper: "
                + $"\"{who.Name}\" and \"{word}\".",
            2 => $"How do you write {word}? \"{word}\". It has {word.Length} letters.",
            _ => $"\"{word}\" is a word. {who.Name} reads it aloud: {word}.",
        };
    }

    /// <summary>
    /// A record in braces, as programs write them. Nothing like the demo's task: no inventory, no sentence before it.
    /// </summary>
    public static string Card(Dice dice)
    {
        var (town, day) = (dice.Pick(Words.Towns), dice.Pick(Words.Days));
        string Player() => $"{{name: {dice.Pick(Words.People).Name}, age: {dice.Below(90)}}}";
        return dice.Below(4) switch
        {
            0 => $"{{town: {town}, day: {day}, rain: {dice.Below(30)}}}",
            1 => $"{{book: {dice.Below(99)}, reader: {dice.Pick(Words.People).Name}, days: [{dice.Below(9)}, {dice.Below(9)}]}}",
            2 => $"{{town: {town}, team: [{Player()}, {Player()}]}}",
            _ => $"{{shop: {town}, sold: [{{item: {dice.Pick(Words.Things).One}, price: {dice.Below(99)}}}], open: {day}}}",
        };
    }

    /// <summary>Somebody says a row of words, somebody else says it again.</summary>
    public static string Echo(Dice dice)
    {
        var two = dice.Pick(Words.People, 2);
        var words = string.Join(", ", Enumerable.Range(0, 3 + dice.Below(5)).Select(_ => Word(dice)));
        return dice.Below(2) switch
        {
            0 => $"{two[0].Name} says: {words}. {two[1].Name} says: {words}.",
            _ => $"{two[0].Name} reads {words}. What did {two[0].Name} read? {two[1].Name} remembers {words}.",
        };
    }

    private static string Word(Dice dice) => dice.Below(6) switch
    {
        0 => dice.Pick(Words.Colours),
        1 => dice.Pick(Words.Places),
        2 => dice.Pick(Words.People).Name,
        3 => Words.Numbers[dice.Below(13)],
        4 => dice.Pick(Words.Things).One,
        _ => dice.Pick(Words.Things).Many,
    };

    private static string Fact(Dice dice)
    {
        var (a, b) = (1 + dice.Below(6), 1 + dice.Below(6));
        var (day, thing, count) = (dice.Below(6), dice.Pick(Words.Things), 2 + dice.Below(11));
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
