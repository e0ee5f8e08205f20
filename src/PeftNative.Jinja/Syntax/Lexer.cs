using PeftNative.Jinja.Formatting;

namespace PeftNative.Jinja.Syntax;

/// <summary>
/// Cuts a template into tokens with the settings of chat templates: <c>trim_blocks</c> (a block tag takes the line
/// break after it) and <c>lstrip_blocks</c> (it takes the spaces before it, back to the line's beginning). A <c>-</c>
/// in a tag takes all white space on its side, a <c>+</c> takes none. One line break at the template's end is dropped.
/// </summary>
internal sealed class Lexer
{
    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _position;
    private int _line = 1;
    private bool _lineStarts = true;

    private Lexer(string source) => _source = source;

    public static List<Token> Tokenize(string template)
    {
        var source = template.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (source.EndsWith('\n')) source = source[..^1];
        var lexer = new Lexer(source);
        lexer.Run();
        return lexer._tokens;
    }

    private void Run()
    {
        while (_position < _source.Length)
        {
            var tag = NextTag();
            if (tag < 0)
            {
                Add(TokenKind.Data, _source[_position..]);
                break;
            }

            var sign = tag + 2 < _source.Length && _source[tag + 2] is '-' or '+' ? _source[tag + 2] : '\0';
            ReadData(tag, sign, stripsLine: _source[tag + 1] != '{');
            MoveTo(tag + (sign == '\0' ? 2 : 3));
            _lineStarts = false;
            ReadTag(_source[tag + 1]);
        }

        Add(TokenKind.End, "");
    }

    private int NextTag()
    {
        var at = _source.IndexOf('{', _position);
        while (at >= 0 && at + 1 < _source.Length && _source[at + 1] is not ('%' or '{' or '#'))
            at = _source.IndexOf('{', at + 1);
        return at + 1 < _source.Length ? at : -1;
    }

    private void ReadData(int tag, char sign, bool stripsLine)
    {
        var text = _source.AsSpan(_position, tag - _position);
        if (sign == '-')
            text = PythonText.TrimEnd(text);
        else if (sign != '+' && stripsLine)
            text = WithoutIndent(text);
        if (text.Length > 0) Add(TokenKind.Data, text.ToString());
    }

    private ReadOnlySpan<char> WithoutIndent(ReadOnlySpan<char> text)
    {
        var lineStart = text.LastIndexOf('\n') + 1;
        var startsLine = lineStart > 0 || _lineStarts;
        return startsLine && PythonText.Trim(text[lineStart..]).IsEmpty ? text[..lineStart] : text;
    }

    private void ReadTag(char kind)
    {
        if (kind == '#')
            SkipComment();
        else if (kind == '%' && RawBodyStart() is var body and >= 0)
            ReadRaw(body);
        else
            ReadExpression(kind == '%' ? TokenKind.BlockBegin : TokenKind.VariableBegin, kind == '%' ? "%}" : "}}");
    }

    private void SkipComment()
    {
        var end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0) throw JinjaException.Syntax("A comment is not closed with '#}'.", _line);
        var sign = end > _position ? _source[end - 1] : '\0';
        CloseTag(end + 2, sign, trimsLineBreak: true);
    }

    /// <summary>Moves past a tag's end and the white space it takes with it.</summary>
    private void CloseTag(int end, char sign, bool trimsLineBreak)
    {
        var next = end;
        if (sign == '-')
            while (next < _source.Length && PythonText.IsSpace(_source[next])) next++;
        else if (sign != '+' && trimsLineBreak && next < _source.Length && _source[next] == '\n')
            next++;
        MoveTo(next);
        _lineStarts = _source[next - 1] == '\n';
    }

    /// <summary>Where the text of a raw block begins, or -1 where the tag just opened is not <c>raw</c>.</summary>
    private int RawBodyStart()
    {
        var at = SkipSpace(_position);
        if (!Follows(at, "raw")) return -1;
        at = SkipSpace(at + 3);
        if (Follows(at, "-%}")) return SkipSpace(at + 3);
        return Follows(at, "%}") ? at + 2 : -1;
    }

    private void ReadRaw(int body)
    {
        MoveTo(body);
        _lineStarts = _source[body - 1] == '\n';
        for (var tag = _source.IndexOf("{%", body, StringComparison.Ordinal); tag >= 0;
             tag = _source.IndexOf("{%", tag + 1, StringComparison.Ordinal))
        {
            var sign = tag + 2 < _source.Length && _source[tag + 2] is '-' or '+' ? _source[tag + 2] : '\0';
            var at = SkipSpace(tag + (sign == '\0' ? 2 : 3));
            if (!Follows(at, "endraw")) continue;
            at = SkipSpace(at + 6);
            var endSign = at < _source.Length && _source[at] is '-' or '+' ? _source[at] : '\0';
            if (endSign != '\0') at++;
            if (!Follows(at, "%}")) continue;
            ReadData(tag, sign, stripsLine: true);
            CloseTag(at + 2, endSign, trimsLineBreak: true);
            return;
        }

        throw JinjaException.Syntax("A raw block is not closed with '{% endraw %}'.", _line);
    }

    private void ReadExpression(TokenKind begin, string end)
    {
        Add(begin, "{" + (begin == TokenKind.BlockBegin ? "%" : "{"));
        var scanner = new ExpressionScanner(_source, _tokens);
        var brackets = new Stack<char>();
        while (true)
        {
            MoveTo(SkipSpace(_position));
            if (_position >= _source.Length)
                throw JinjaException.Syntax($"A tag is not closed with '{end}'.", _line);
            if (brackets.Count == 0 && TagEnds(begin, end)) return;
            MoveTo(scanner.Next(_position, _line, brackets));
        }
    }

    private bool TagEnds(TokenKind begin, string end)
    {
        var sign = _source[_position] is '-' || (_source[_position] == '+' && begin == TokenKind.BlockBegin)
            ? _source[_position] : '\0';
        var at = sign == '\0' ? _position : _position + 1;
        if (!Follows(at, end)) return false;
        Add(begin == TokenKind.BlockBegin ? TokenKind.BlockEnd : TokenKind.VariableEnd, end);
        CloseTag(at + 2, sign, trimsLineBreak: begin == TokenKind.BlockBegin);
        return true;
    }

    private void Add(TokenKind kind, string text) => _tokens.Add(new Token(kind, text, _line));

    private bool Follows(int at, string text) => string.CompareOrdinal(_source, at, text, 0, text.Length) == 0;

    private int SkipSpace(int at)
    {
        while (at < _source.Length && PythonText.IsSpace(_source[at])) at++;
        return at;
    }

    private void MoveTo(int position)
    {
        _line += _source.AsSpan(_position, position - _position).Count('\n');
        _position = position;
    }
}
