namespace PeftNative.Jinja.Syntax;

/// <summary>
/// Parses a template to a tree: text, output and statements. Expressions are left to <see cref="ExpressionParser"/>.
/// </summary>
internal sealed class Parser
{
    private readonly TokenReader _tokens;
    private readonly ExpressionParser _expressions;
    private readonly Stack<string> _openTags = new();
    private bool _insideLoop;

    private Parser(TokenReader tokens)
    {
        _tokens = tokens;
        _expressions = new ExpressionParser(tokens);
    }

    public static Block Parse(string template, JinjaLimits limits)
    {
        if (template.Length > limits.TemplateLength)
            throw JinjaException.Limit($"The template is longer than {limits.TemplateLength} characters.");
        return new Parser(new TokenReader(Lexer.Tokenize(template), limits.Nesting)).ParseBlock([]);
    }

    /// <summary>
    /// Statements up to one of some end tags, which is left as the current token (past its <c>{%</c>).
    /// </summary>
    private Block ParseBlock(ReadOnlySpan<string> endTags)
    {
        _tokens.Enter();
        List<Statement> statements = [];
        while (_tokens.Current.Kind != TokenKind.End)
        {
            var token = _tokens.Take();
            if (token.Kind == TokenKind.Data)
            {
                statements.Add(new TemplateText(token.Line, token.Text));
            }
            else if (token.Kind == TokenKind.VariableBegin)
            {
                statements.Add(new Print(token.Line, _expressions.ParseTuple()));
                _tokens.Expect(TokenKind.VariableEnd, "'}}'");
            }
            else
            {
                if (_tokens.Current.Kind == TokenKind.Name && endTags.Contains(_tokens.Current.Text))
                {
                    _tokens.Leave();
                    return new Block(statements);
                }

                statements.Add(ParseStatement());
                ExpectTagEnd();
            }
        }

        if (!endTags.IsEmpty) throw Missing(endTags);
        _tokens.Leave();
        return new Block(statements);
    }

    private JinjaException Missing(ReadOnlySpan<string> endTags) => JinjaException.Syntax(
        $"The template ends inside '{_openTags.Peek()}'; expected {string.Join(" or ", endTags!)}.", _tokens.Line);

    private void ExpectTagEnd() => _tokens.Expect(TokenKind.BlockEnd, "'%}'");

    private Statement ParseStatement()
    {
        var line = _tokens.Line;
        var tag = _tokens.ExpectName();
        _openTags.Push(tag);
        var statement = tag switch
        {
            "for" => ParseFor(line),
            "if" => ParseIf(line),
            "set" => ParseSet(line),
            "macro" => ParseMacro(line),
            "call" => ParseCall(line),
            "filter" => ParseFilter(line),
            "with" => ParseWith(line),
            "block" => ParseNamedBlock(line),
            "generation" => new Generation(line, OutsideLoops(() => ParseBody("endgeneration"))),
            "autoescape" => new Autoescape(line, _expressions.Parse(), ParseBody("endautoescape")),
            "print" => new Print(line, _expressions.Parse()),
            "break" when _insideLoop => new Break(line),
            "continue" when _insideLoop => new Continue(line),
            "break" or "continue" => throw JinjaException.Syntax($"'{tag}' outside of a loop.", line),
            "include" or "import" or "from" or "extends" => ParseLoad(line, tag),
            _ => throw JinjaException.Syntax($"Unknown tag '{tag}'.", line),
        };
        _openTags.Pop();
        return statement;
    }

    /// <summary>The body of a tag and its end tag.</summary>
    private Block ParseBody(string endTag)
    {
        var body = ParseBodyUntil([endTag]);
        _tokens.Take();
        return body;
    }

    private Block ParseBodyUntil(ReadOnlySpan<string> endTags)
    {
        _tokens.SkipOperator(":");
        ExpectTagEnd();
        return ParseBlock(endTags);
    }

    private T OutsideLoops<T>(Func<T> parse) => WithLoop(false, parse);

    private T WithLoop<T>(bool insideLoop, Func<T> parse)
    {
        var before = _insideLoop;
        _insideLoop = insideLoop;
        var result = parse();
        _insideLoop = before;
        return result;
    }

    private For ParseFor(int line)
    {
        var target = ParseTarget("in");
        _tokens.ExpectName("in");
        var iterable = _expressions.ParseTuple(_expressions.ParseOr, "recursive");
        var condition = _tokens.SkipName("if") ? _expressions.Parse() : null;
        var isRecursive = _tokens.SkipName("recursive");
        var body = WithLoop(true, () => ParseBodyUntil(["endfor", "else"]));
        var hasElse = _tokens.Take().Text == "else";
        return new For(line, target, iterable, condition, isRecursive, body, hasElse ? ParseBody("endfor") : null);
    }

    private If ParseIf(int line)
    {
        List<(Expression, Block)> branches = [];
        while (true)
        {
            var test = _expressions.ParseTuple(_expressions.ParseOr);
            branches.Add((test, ParseBodyUntil(["elif", "else", "endif"])));
            var end = _tokens.Take().Text;
            if (end != "elif") return new If(line, branches, end == "else" ? ParseBody("endif") : null);
        }
    }

    private Statement ParseSet(int line)
    {
        var target = ParseTarget(null);
        if (_tokens.SkipOperator("=")) return new Set(line, target, _expressions.ParseTuple());
        Filter? filter = null;
        while (_tokens.SkipOperator("|")) filter = _expressions.ParseFilter(filter);
        return new SetBlock(line, target, filter, ParseBody("endset"));
    }

    private Macro ParseMacro(int line)
    {
        var name = _tokens.ExpectName();
        if (!_tokens.Current.IsOperator("(")) throw _tokens.Unexpected("'('");
        return new Macro(line, ParseDefinition(name, "endmacro", null));
    }

    private CallBlock ParseCall(int line)
    {
        Call? call = null;
        var definition = ParseDefinition("caller", "endcall", () => call = _expressions.Parse() as Call
            ?? throw JinjaException.Syntax("A call block needs a call.", line));
        return new CallBlock(line, call!, definition);
    }

    private MacroDefinition ParseDefinition(string name, string endTag, Action? parseCall)
    {
        var outer = _expressions.NamesRead;
        _expressions.NamesRead = [];
        var parameters = _tokens.Current.IsOperator("(") ? ParseParameters() : [];
        parseCall?.Invoke();
        var body = OutsideLoops(() => ParseBody(endTag));
        var names = _expressions.NamesRead;
        outer.UnionWith(names);
        _expressions.NamesRead = outer;
        return new MacroDefinition(
            name, parameters, body, names.Contains("varargs"), names.Contains("kwargs"), names.Contains("caller"));
    }

    private List<(string, Expression?)> ParseParameters()
    {
        List<(string, Expression?)> parameters = [];
        _tokens.ExpectOperator("(");
        while (!_tokens.Current.IsOperator(")"))
        {
            if (parameters.Count > 0) _tokens.ExpectOperator(",");
            var name = _tokens.ExpectName();
            var value = _tokens.SkipOperator("=") ? _expressions.Parse() : null;
            if (value is null && parameters.Count > 0 && parameters[^1].Item2 is not null)
                throw JinjaException.Syntax("A parameter without a default follows one with a default.", _tokens.Line);
            parameters.Add((name, value));
        }

        _tokens.Take();
        return parameters;
    }

    private FilterBlock ParseFilter(int line)
    {
        var filter = _expressions.ParseFilter(null);
        while (_tokens.SkipOperator("|")) filter = _expressions.ParseFilter(filter);
        return new FilterBlock(line, filter, ParseBody("endfilter"));
    }

    private With ParseWith(int line)
    {
        List<(Target, Expression)> bindings = [];
        while (_tokens.Current.Kind != TokenKind.BlockEnd)
        {
            if (bindings.Count > 0) _tokens.ExpectOperator(",");
            var target = ParseTarget(null);
            _tokens.ExpectOperator("=");
            bindings.Add((target, _expressions.Parse()));
        }

        return new With(line, bindings, ParseBody("endwith"));
    }

    private NamedBlock ParseNamedBlock(int line)
    {
        var name = _tokens.ExpectName();
        var isScoped = _tokens.SkipName("scoped");
        _tokens.SkipName("required");
        var body = OutsideLoops(() => ParseBody("endblock"));
        _tokens.SkipName(name);
        return new NamedBlock(line, isScoped, body);
    }

    private LoadTemplate ParseLoad(int line, string tag)
    {
        while (_tokens.Current.Kind is not (TokenKind.BlockEnd or TokenKind.End)) _tokens.Take();
        return new LoadTemplate(line, tag);
    }

    private Target ParseTarget(string? endName)
    {
        List<Target> items = [];
        var isTuple = false;
        while (!AtTargetEnd(endName))
        {
            items.Add(ParseSingleTarget());
            if (!_tokens.SkipOperator(",")) break;
            isTuple = true;
        }

        if (items.Count == 0) throw _tokens.Unexpected("a name to assign to");
        return isTuple ? new TupleTarget(items) : items[0];
    }

    private bool AtTargetEnd(string? endName) =>
        _tokens.Current.IsOperator(")") || _tokens.Current.IsOperator("=") || _tokens.Current.Kind == TokenKind.BlockEnd
        || (endName is not null && _tokens.Current.IsName(endName));

    private Target ParseSingleTarget()
    {
        if (_tokens.SkipOperator("("))
        {
            _tokens.Enter();
            var inner = ParseTarget(null);
            _tokens.ExpectOperator(")");
            _tokens.Leave();
            return inner;
        }

        var line = _tokens.Line;
        var name = _tokens.ExpectName();
        if (name is "true" or "false" or "none" or "True" or "False" or "None")
            throw JinjaException.Syntax($"Cannot assign to '{name}'.", line);
        return _tokens.SkipOperator(".") ? new NamespaceTarget(name, _tokens.ExpectName()) : new NameTarget(name);
    }
}
