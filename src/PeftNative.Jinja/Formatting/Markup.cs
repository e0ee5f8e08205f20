using System.Net;
using System.Text;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Formatting;

/// <summary>The escaping of HTML, for the filters that ask for it; chat templates are rendered without.</summary>
internal static class Markup
{
    /// <summary>The text of a string inside markup: unchanged where it is markup itself.</summary>
    public static string Escape(StringValue value) => value.IsMarkup ? value.Text : Escape(value.Text);

    public static string Escape(string text) => new StringBuilder(text)
        .Replace("&", "&amp;").Replace(">", "&gt;").Replace("<", "&lt;").Replace("'", "&#39;").Replace("\"", "&#34;")
        .ToString();

    /// <summary>Text without comments and tags, with single spaces and its entities resolved.</summary>
    public static string StripTags(string text)
    {
        var plain = Without(Without(text, "<!--", "-->"), "<", ">");
        var words = plain.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return WebUtility.HtmlDecode(string.Join(' ', words));
    }

    private static string Without(string text, string begin, string end)
    {
        var result = new StringBuilder(text.Length);
        var at = 0;
        while (text.IndexOf(begin, at, StringComparison.Ordinal) is var start and >= 0
            && text.IndexOf(end, start, StringComparison.Ordinal) is var stop and >= 0)
        {
            result.Append(text, at, start - at);
            at = stop + end.Length;
        }

        return result.Append(text, at, text.Length - at).ToString();
    }
}
