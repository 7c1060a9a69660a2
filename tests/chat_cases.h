/* SPDX-License-Identifier: Apache-2.0 */
/* chat_cases.h - chat templates, and what Jinja 3.1.6 (with trim_blocks and lstrip_blocks, as
 * transformers sets them) makes of conversations with them.  The templates are written for
 * these tests, in the manner of those of the models that they are named after. */
#ifndef TESTS_CHAT_CASES_H
#define TESTS_CHAT_CASES_H

#include "tern/model.h"

enum {
    T_CHATML,
    T_CHATML_RAW,
    T_CHATML_SYSTEM,
    T_QWEN3,
    T_LLAMA3,
    T_LLAMA3_DATED,
    T_BITNET,
    T_BITNET_NO_SPACE,
    T_PHI3,
    T_PHI3_ROLES,
    T_PHI3_JOINED,
    T_FALCON3,
    T_ZEPHYR,
    T_LLAMA2,
    T_MISTRAL,
    T_GEMMA,
    N_TEMPLATES
};

enum { C_FULL, C_NO_SYSTEM, C_ONE, C_ENDS, C_THOUGHT, C_TOOL };

static const struct {
    size_t n;
    tern_message messages[6];
} conversations[] = {
    [C_FULL] = {6,
                {{"system", "You are terse."},
                 {"user", "Hello"},
                 {"assistant", "Hi there"},
                 {"user", "  Who?\xe3\x80\x80\n"},
                 {"assistant", " Me.\n ok "},
                 {"user", "Bye"}}},
    [C_NO_SYSTEM] = {5,
                     {{"user", "Hello"},
                      {"assistant", "Hi there"},
                      {"user", "  Who?\xe3\x80\x80\n"},
                      {"assistant", " Me.\n ok "},
                      {"user", "Bye"}}},
    [C_ONE] = {1, {{"user", "Hello"}}},
    [C_ENDS] = {4,
                {{"user", "Hello"},
                 {"assistant", "Hi there"},
                 {"user", "  Who?\xe3\x80\x80\n"},
                 {"assistant", " Me.\n ok "}}},
    [C_THOUGHT] = {4,
                   {{"user", "Q1"},
                    {"assistant", "<think>\nhm\n\n</think>\n\nA1"},
                    {"user", "Q2"},
                    {"assistant", "<think>\nhmm\n</think>\n\nA2"}}},
    [C_TOOL] = {4,
                {{"user", "Q"},
                 {"assistant", "x<think>t</think>call </think>\nit"},
                 {"user", "<tool_response>r</tool_response>"},
                 {"assistant", "done"}}},
};

static const char *const templates[] = {
    /* chatml */
    [T_CHATML] =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message"
        "['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
        "'<|im_start|>assistant\n' }}{% endif %}",
    /* chatml_raw */
    [T_CHATML_RAW] =
        "{% for message in messages %}\n<|im_start|>{{ message.role }}\n{{ message.conten"
        "t }}<|im_end|>\n{% endfor %}\n{% if add_generation_prompt %}\n<|im_start|>assist"
        "ant\n{% endif %}",
    /* chatml_system */
    [T_CHATML_SYSTEM] =
        "{%- for message in messages %}\n    {#- Who says nothing is told something. -#}"
        "\n    {%- if loop.first and messages[0].role != \"system\" %}\n        {{- '<|im"
        "_start|>system\\nDon\\'t be long.<|im_end|>\\n' }}\n    {%- endif %}\n    {{- \""
        "<|im_start|>\" + message[\"role\"] + '\\n' + message.content + \"<|im_end|>\\n\""
        " }}\n{%- endfor %}\n{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n"
        "<think>\\n' }}{% endif %}",
    /* qwen3 */
    [T_QWEN3] =
        "{%- if tools %}\n    {{- '<|im_start|>system\\n' }}\n    {{- 'tools' }}\n{%- els"
        "e %}\n    {%- if messages[0].role == 'system' %}\n        {{- '<|im_start|>syste"
        "m\\n' + messages[0].content + '<|im_end|>\\n' }}\n    {%- endif %}\n{%- endif %}"
        "\n{%- set ns = namespace(last_query_index=messages|length - 1, seek=true) %}\n{%"
        "- for message in messages[::-1] %}\n    {%- if ns.seek and message.role == \"use"
        "r\" and not (message.content.startswith('<tool_response>') and message.content.e"
        "ndswith('</tool_response>')) %}\n        {%- set ns.seek = false %}\n        {%-"
        " set ns.last_query_index = messages|length - 1 - loop.index0 %}\n    {%- endif %"
        "}\n{%- endfor %}\n{%- for message in messages %}\n    {%- if message.role == \"u"
        "ser\" or (message.role == \"system\" and not loop.first) %}\n        {{- '<|im_s"
        "tart|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n    "
        "{%- elif message.role == \"assistant\" %}\n        {%- set content = message.con"
        "tent %}\n        {%- set reasoning_content = '' %}\n        {%- if '</think>' in"
        " content %}\n            {%- set content = message.content.split('</think>')[-1]"
        ".lstrip('\\n') %}\n            {%- set reasoning_content = message.content.split"
        "('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}\n        {%-"
        " endif %}\n        {%- if loop.index0 > ns.last_query_index %}\n            {%- "
        "if loop.last or (not loop.last and reasoning_content) %}\n                {{- '<"
        "|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') +"
        " '\\n</think>\\n\\n' + content.lstrip('\\n') }}\n            {%- else %}\n      "
        "          {{- '<|im_start|>' + message.role + '\\n' + content }}\n            {%"
        "- endif %}\n        {%- else %}\n            {{- '<|im_start|>' + message.role +"
        " '\\n' + content }}\n        {%- endif %}\n        {{- '<|im_end|>\\n' }}\n    {"
        "%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start"
        "|>assistant\\n' }}\n{%- endif %}\n",
    /* llama3 */
    [T_LLAMA3] =
        "{% for message in messages %}{% set content = '<|start_header_id|>' + message['r"
        "ole'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% i"
        "f loop.first %}{% set content = bos_token + content %}{% endif %}{{ content }}{%"
        " endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_he"
        "ader_id|>\n\n' }}{% endif %}",
    /* llama3_dated */
    [T_LLAMA3_DATED] =
        "{{- bos_token }}\n{%- set date_string = \"26 Jul 2024\" %}\n{%- if messages[0]['"
        "role'] == 'system' %}\n    {%- set system_message = messages[0]['content']|trim "
        "%}\n    {%- set messages = messages[1:] %}\n{%- else %}\n    {%- set system_mess"
        "age = \"\" %}\n{%- endif %}\n{{- \"<|start_header_id|>system<|end_header_id|>\\n"
        "\\n\" }}\n{{- \"Cutting Knowledge Date: December 2023\\n\" }}\n{{- \"Today Date:"
        " \" + date_string + \"\\n\\n\" }}\n{{- system_message }}\n{{- \"<|eot_id|>\" }}"
        "\n{%- for message in messages %}\n    {{- '<|start_header_id|>' + message['role'"
        "] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}\n{%- "
        "endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|start_header_id|>assistan"
        "t<|end_header_id|>\\n\\n' }}\n{%- endif %}\n",
    /* bitnet */
    [T_BITNET] =
        "{% for message in messages %}{% set content = message['role'] | capitalize + ': "
        "'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.first %}{% set content "
        "= bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation"
        "_prompt %}{{ 'Assistant: ' }}{% endif %}",
    /* bitnet_no_space */
    [T_BITNET_NO_SPACE] =
        "{% for message in messages %}{% set content = message['role'] | capitalize + ': "
        "'+ message['content'] + '<|eot_id|>' %}{% if loop.first %}{% set content = bos_t"
        "oken + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt"
        " %}{{ 'Assistant:' }}{% endif %}",
    /* phi3 */
    [T_PHI3] =
        "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n"
        "' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|u"
        "ser|>\n' + message['content'] + '<|end|>\n'}}{% else %}{{'<|assistant|>\n' + mes"
        "sage['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_promp"
        "t %}{{ '<|assistant|>\n' }}{% endif %}",
    /* phi3_roles */
    [T_PHI3_ROLES] =
        "{{ bos_token }}{% for message in messages %}{{'<|' + message['role'] + '|>' + '"
        "\n' + message['content'] + '<|end|>\n' }}{% endfor %}{% if add_generation_prompt"
        " %}{{ '<|assistant|>\n' }}{% endif %}",
    /* phi3_joined */
    [T_PHI3_JOINED] =
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{"
        "'<|user|>' + '\n' + message['content'] + '<|end|>' + '\n' + '<|assistant|>' + '"
        "\n'}}{% else %}{{message['content'] + '<|end|>' + '\n'}}{% endif %}{% endfor %}",
    /* falcon3 */
    [T_FALCON3] =
        "{%- for message in messages %}\n{%- if message['role'] == 'system' %}\n{{- '<|sy"
        "stem|>\\n' + message['content'] + '\\n' }}\n{%- elif message['role'] == 'user' %"
        "}\n{{- '<|user|>\\n' + message['content'] + '\\n' }}\n{%- elif not loop.last %}"
        "\n{{- '<|assistant|>\\n' + message['content'] + eos_token + '\\n' }}\n{%- else %"
        "}\n{{- '<|assistant|>\\n' + message['content'] + eos_token }}\n{%- endif %}\n{%-"
        " if loop.last and add_generation_prompt %}\n{{- '<|assistant|>\\n' }}\n{%- endif"
        " %}\n{%- endfor %}",
    /* zephyr */
    [T_ZEPHYR] =
        "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>"
        "\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}"
        "\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% else %}\n{{ '<|assis"
        "tant|>\n' + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and "
        "add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    /* llama2 */
    [T_LLAMA2] =
        "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{%"
        " set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = "
        "messages %}{% set system_message = false %}{% endif %}{% for message in loop_mes"
        "sages %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<"
        "<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %}{"
        "% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' "
        "%}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['rol"
        "e'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% "
        "endfor %}",
    /* mistral */
    [T_MISTRAL] =
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{"
        " '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] +"
        " eos_token}}{% endif %}{% endfor %}",
    /* gemma */
    [T_GEMMA] =
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant'"
        " %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
        "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>"
        "\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% e"
        "ndif %}",
};

static const struct example {
    int template, conversation;
    bool answer;
    const char *want;
} examples[] = {
    {T_CHATML, C_FULL, true,
     "<|im_start|>system\nYou are terse.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|"
     "im_start|>assistant\nHi there<|im_end|>\n<|im_start|>user\n  Who?\xe3\x80\x80"
     "\n<"
     "|im_end|>\n<|im_start|>assistant\n Me.\n ok <|im_end|>\n<|im_start|>user\nBye<|im_e"
     "nd|>\n<|im_start|>assistant\n"},
    {T_CHATML, C_NO_SYSTEM, true,
     "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n<|im_"
     "start|>user\n  Who?\xe3\x80\x80"
     "\n<|im_end|>\n<|im_start|>assistant\n Me.\n ok <|"
     "im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"},
    {T_CHATML, C_ONE, true, "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"},
    {T_CHATML, C_ENDS, true,
     "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n<|im_"
     "start|>user\n  Who?\xe3\x80\x80"
     "\n<|im_end|>\n<|im_start|>assistant\n Me.\n ok <|"
     "im_end|>\n<|im_start|>assistant\n"},
    {T_CHATML, C_ENDS, false,
     "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n<|im_"
     "start|>user\n  Who?\xe3\x80\x80"
     "\n<|im_end|>\n<|im_start|>assistant\n Me.\n ok <|"
     "im_end|>\n"},
    {T_CHATML_RAW, C_FULL, true,
     "<|im_start|>system\nYou are terse.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|"
     "im_start|>assistant\nHi there<|im_end|>\n<|im_start|>user\n  Who?\xe3\x80\x80"
     "\n<"
     "|im_end|>\n<|im_start|>assistant\n Me.\n ok <|im_end|>\n<|im_start|>user\nBye<|im_e"
     "nd|>\n<|im_start|>assistant\n"},
    {T_CHATML_RAW, C_NO_SYSTEM, true,
     "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n<|im_"
     "start|>user\n  Who?\xe3\x80\x80"
     "\n<|im_end|>\n<|im_start|>assistant\n Me.\n ok <|"
     "im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"},
    {T_CHATML_RAW, C_ONE, true, "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"},
    {T_CHATML_RAW, C_ENDS, true,
     "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n<|im_"
     "start|>user\n  Who?\xe3\x80\x80"
     "\n<|im_end|>\n<|im_start|>assistant\n Me.\n ok <|"
     "im_end|>\n<|im_start|>assistant\n"},
    {T_CHATML_RAW, C_ENDS, false,
     "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n<|im_"
     "start|>user\n  Who?\xe3\x80\x80"
     "\n<|im_end|>\n<|im_start|>assistant\n Me.\n ok <|"
     "im_end|>\n"},
    {T_CHATML_SYSTEM, C_FULL, true,
     "<|im_start|>system\nYou are terse.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|"
     "im_start|>assistant\nHi there<|im_end|>\n<|im_start|>user\n  Who?\xe3\x80\x80"
     "\n<"
     "|im_end|>\n<|im_start|>assistant\n Me.\n ok <|im_end|>\n<|im_start|>user\nBye<|im_e"
     "nd|>\n<|im_start|>assistant\n<think>\n"},
    {T_CHATML_SYSTEM, C_NO_SYSTEM, true,
     "<|im_start|>system\nDon't be long.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|"
     "im_start|>assistant\nHi there<|im_end|>\n<|im_start|>user\n  Who?\xe3\x80\x80"
     "\n<"
     "|im_end|>\n<|im_start|>assistant\n Me.\n ok <|im_end|>\n<|im_start|>user\nBye<|im_e"
     "nd|>\n<|im_start|>assistant\n<think>\n"},
    {T_CHATML_SYSTEM, C_ONE, true,
     "<|im_start|>system\nDon't be long.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|"
     "im_start|>assistant\n<think>\n"},
    {T_CHATML_SYSTEM, C_ENDS, true,
     "<|im_start|>system\nDon't be long.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|"
     "im_start|>assistant\nHi there<|im_end|>\n<|im_start|>user\n  Who?\xe3\x80\x80"
     "\n<"
     "|im_end|>\n<|im_start|>assistant\n Me.\n ok <|im_end|>\n<|im_start|>assistant\n<thi"
     "nk>\n"},
    {T_CHATML_SYSTEM, C_ENDS, false,
     "<|im_start|>system\nDon't be long.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|"
     "im_start|>assistant\nHi there<|im_end|>\n<|im_start|>user\n  Who?\xe3\x80\x80"
     "\n<"
     "|im_end|>\n<|im_start|>assistant\n Me.\n ok <|im_end|>\n"},
    {T_QWEN3, C_FULL, true,
     "<|im_start|>system\nYou are terse.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|"
     "im_start|>assistant\nHi there<|im_end|>\n<|im_start|>user\n  Who?\xe3\x80\x80"
     "\n<"
     "|im_end|>\n<|im_start|>assistant\n Me.\n ok <|im_end|>\n<|im_start|>user\nBye<|im_e"
     "nd|>\n<|im_start|>assistant\n"},
    {T_QWEN3, C_NO_SYSTEM, true,
     "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n<|im_"
     "start|>user\n  Who?\xe3\x80\x80"
     "\n<|im_end|>\n<|im_start|>assistant\n Me.\n ok <|"
     "im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"},
    {T_QWEN3, C_ONE, true, "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"},
    {T_QWEN3, C_ENDS, true,
     "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n<|im_"
     "start|>user\n  Who?\xe3\x80\x80"
     "\n<|im_end|>\n<|im_start|>assistant\n<think>\n\n<"
     "/think>\n\n Me.\n ok <|im_end|>\n<|im_start|>assistant\n"},
    {T_QWEN3, C_ENDS, false,
     "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi there<|im_end|>\n<|im_"
     "start|>user\n  Who?\xe3\x80\x80"
     "\n<|im_end|>\n<|im_start|>assistant\n<think>\n\n<"
     "/think>\n\n Me.\n ok <|im_end|>\n"},
    {T_QWEN3, C_THOUGHT, true,
     "<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n<|im_start|>us"
     "er\nQ2<|im_end|>\n<|im_start|>assistant\n<think>\nhmm\n</think>\n\nA2<|im_end|>\n<|"
     "im_start|>assistant\n"},
    {T_QWEN3, C_TOOL, true,
     "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\nt\n</think>\n\nit<|i"
     "m_end|>\n<|im_start|>user\n<tool_response>r</tool_response><|im_end|>\n<|im_start|>"
     "assistant\n<think>\n\n</think>\n\ndone<|im_end|>\n<|im_start|>assistant\n"},
    {T_LLAMA3, C_FULL, true,
     "<s><|start_header_id|>system<|end_header_id|>\n\nYou are terse.<|eot_id|><|start_he"
     "ader_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_"
     "header_id|>\n\nHi there<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWho?<|"
     "eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nMe.\n ok<|eot_id|><|start_"
     "header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_"
     "header_id|>\n\n"},
    {T_LLAMA3, C_NO_SYSTEM, true,
     "<s><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>as"
     "sistant<|end_header_id|>\n\nHi there<|eot_id|><|start_header_id|>user<|end_header_i"
     "d|>\n\nWho?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nMe.\n ok<|eot"
     "_id|><|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>as"
     "sistant<|end_header_id|>\n\n"},
    {T_LLAMA3, C_ONE, true,
     "<s><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>as"
     "sistant<|end_header_id|>\n\n"},
    {T_LLAMA3, C_ENDS, true,
     "<s><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>as"
     "sistant<|end_header_id|>\n\nHi there<|eot_id|><|start_header_id|>user<|end_header_i"
     "d|>\n\nWho?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nMe.\n ok<|eot"
     "_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {T_LLAMA3, C_ENDS, false,
     "<s><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>as"
     "sistant<|end_header_id|>\n\nHi there<|eot_id|><|start_header_id|>user<|end_header_i"
     "d|>\n\nWho?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nMe.\n ok<|eot"
     "_id|>"},
    {T_LLAMA3_DATED, C_FULL, true,
     "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2"
     "023\nToday Date: 26 Jul 2024\n\nYou are terse.<|eot_id|><|start_header_id|>user<|en"
     "d_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHi"
     " there<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWho?<|eot_id|><|start_h"
     "eader_id|>assistant<|end_header_id|>\n\nMe.\n ok<|eot_id|><|start_header_id|>user<|"
     "end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {T_LLAMA3_DATED, C_NO_SYSTEM, true,
     "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2"
     "023\nToday Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>"
     "\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHi there<|eot_i"
     "d|><|start_header_id|>user<|end_header_id|>\n\nWho?<|eot_id|><|start_header_id|>ass"
     "istant<|end_header_id|>\n\nMe.\n ok<|eot_id|><|start_header_id|>user<|end_header_id"
     "|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {T_LLAMA3_DATED, C_ONE, true,
     "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2"
     "023\nToday Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>"
     "\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {T_LLAMA3_DATED, C_ENDS, true,
     "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2"
     "023\nToday Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>"
     "\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHi there<|eot_i"
     "d|><|start_header_id|>user<|end_header_id|>\n\nWho?<|eot_id|><|start_header_id|>ass"
     "istant<|end_header_id|>\n\nMe.\n ok<|eot_id|><|start_header_id|>assistant<|end_head"
     "er_id|>\n\n"},
    {T_LLAMA3_DATED, C_ENDS, false,
     "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2"
     "023\nToday Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>"
     "\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHi there<|eot_i"
     "d|><|start_header_id|>user<|end_header_id|>\n\nWho?<|eot_id|><|start_header_id|>ass"
     "istant<|end_header_id|>\n\nMe.\n ok<|eot_id|>"},
    {T_BITNET, C_FULL, true,
     "<s>System: You are terse.<|eot_id|>User: Hello<|eot_id|>Assistant: Hi there<|eot_id"
     "|>User: Who?<|eot_id|>Assistant: Me.\n ok<|eot_id|>User: Bye<|eot_id|>Assistant: "},
    {T_BITNET, C_NO_SYSTEM, true,
     "<s>User: Hello<|eot_id|>Assistant: Hi there<|eot_id|>User: Who?<|eot_id|>Assistant:"
     " Me.\n ok<|eot_id|>User: Bye<|eot_id|>Assistant: "},
    {T_BITNET, C_ONE, true, "<s>User: Hello<|eot_id|>Assistant: "},
    {T_BITNET, C_ENDS, true,
     "<s>User: Hello<|eot_id|>Assistant: Hi there<|eot_id|>User: Who?<|eot_id|>Assistant:"
     " Me.\n ok<|eot_id|>Assistant: "},
    {T_BITNET, C_ENDS, false,
     "<s>User: Hello<|eot_id|>Assistant: Hi there<|eot_id|>User: Who?<|eot_id|>Assistant:"
     " Me.\n ok<|eot_id|>"},
    {T_BITNET_NO_SPACE, C_FULL, true,
     "<s>System: You are terse.<|eot_id|>User: Hello<|eot_id|>Assistant: Hi there<|eot_id"
     "|>User:   Who?\xe3\x80\x80"
     "\n<|eot_id|>Assistant:  Me.\n ok <|eot_id|>User: Bye<|"
     "eot_id|>Assistant:"},
    {T_BITNET_NO_SPACE, C_NO_SYSTEM, true,
     "<s>User: Hello<|eot_id|>Assistant: Hi there<|eot_id|>User:   Who?\xe3\x80\x80"
     "\n<"
     "|eot_id|>Assistant:  Me.\n ok <|eot_id|>User: Bye<|eot_id|>Assistant:"},
    {T_BITNET_NO_SPACE, C_ONE, true, "<s>User: Hello<|eot_id|>Assistant:"},
    {T_BITNET_NO_SPACE, C_ENDS, true,
     "<s>User: Hello<|eot_id|>Assistant: Hi there<|eot_id|>User:   Who?\xe3\x80\x80"
     "\n<"
     "|eot_id|>Assistant:  Me.\n ok <|eot_id|>Assistant:"},
    {T_BITNET_NO_SPACE, C_ENDS, false,
     "<s>User: Hello<|eot_id|>Assistant: Hi there<|eot_id|>User:   Who?\xe3\x80\x80"
     "\n<"
     "|eot_id|>Assistant:  Me.\n ok <|eot_id|>"},
    {T_PHI3, C_FULL, true,
     "<|system|>\nYou are terse.<|end|>\n<|user|>\nHello<|end|>\n<|assistant|>\nHi there<"
     "|end|>\n<|user|>\n  Who?\xe3\x80\x80"
     "\n<|end|>\n<|assistant|>\n Me.\n ok <|end|>"
     "\n<|user|>\nBye<|end|>\n<|assistant|>\n"},
    {T_PHI3, C_NO_SYSTEM, true,
     "<|user|>\nHello<|end|>\n<|assistant|>\nHi there<|end|>\n<|user|>\n  Who?"
     "\xe3\x80\x80"
     "\n<|end|>\n<|assistant|>\n Me.\n ok <|end|>\n<|user|>\nBye<|end|>\n<"
     "|assistant|>\n"},
    {T_PHI3, C_ONE, true, "<|user|>\nHello<|end|>\n<|assistant|>\n"},
    {T_PHI3, C_ENDS, true,
     "<|user|>\nHello<|end|>\n<|assistant|>\nHi there<|end|>\n<|user|>\n  Who?"
     "\xe3\x80\x80"
     "\n<|end|>\n<|assistant|>\n Me.\n ok <|end|>\n<|assistant|>\n"},
    {T_PHI3, C_ENDS, false,
     "<|user|>\nHello<|end|>\n<|assistant|>\nHi there<|end|>\n<|user|>\n  Who?"
     "\xe3\x80\x80"
     "\n<|end|>\n<|assistant|>\n Me.\n ok <|end|>\n"},
    {T_PHI3_ROLES, C_FULL, true,
     "<s><|system|>\nYou are terse.<|end|>\n<|user|>\nHello<|end|>\n<|assistant|>\nHi the"
     "re<|end|>\n<|user|>\n  Who?\xe3\x80\x80"
     "\n<|end|>\n<|assistant|>\n Me.\n ok <|end"
     "|>\n<|user|>\nBye<|end|>\n<|assistant|>\n"},
    {T_PHI3_ROLES, C_NO_SYSTEM, true,
     "<s><|user|>\nHello<|end|>\n<|assistant|>\nHi there<|end|>\n<|user|>\n  Who?"
     "\xe3\x80\x80"
     "\n<|end|>\n<|assistant|>\n Me.\n ok <|end|>\n<|user|>\nBye<|end|>\n<"
     "|assistant|>\n"},
    {T_PHI3_ROLES, C_ONE, true, "<s><|user|>\nHello<|end|>\n<|assistant|>\n"},
    {T_PHI3_ROLES, C_ENDS, true,
     "<s><|user|>\nHello<|end|>\n<|assistant|>\nHi there<|end|>\n<|user|>\n  Who?"
     "\xe3\x80\x80"
     "\n<|end|>\n<|assistant|>\n Me.\n ok <|end|>\n<|assistant|>\n"},
    {T_PHI3_ROLES, C_ENDS, false,
     "<s><|user|>\nHello<|end|>\n<|assistant|>\nHi there<|end|>\n<|user|>\n  Who?"
     "\xe3\x80\x80"
     "\n<|end|>\n<|assistant|>\n Me.\n ok <|end|>\n"},
    {T_PHI3_JOINED, C_NO_SYSTEM, true,
     "<s><|user|>\nHello<|end|>\n<|assistant|>\nHi there<|end|>\n<|user|>\n  Who?"
     "\xe3\x80\x80"
     "\n<|end|>\n<|assistant|>\n Me.\n ok <|end|>\n<|user|>\nBye<|end|>\n<"
     "|assistant|>\n"},
    {T_PHI3_JOINED, C_ONE, true, "<s><|user|>\nHello<|end|>\n<|assistant|>\n"},
    {T_PHI3_JOINED, C_ENDS, false,
     "<s><|user|>\nHello<|end|>\n<|assistant|>\nHi there<|end|>\n<|user|>\n  Who?"
     "\xe3\x80\x80"
     "\n<|end|>\n<|assistant|>\n Me.\n ok <|end|>\n"},
    {T_FALCON3, C_FULL, true,
     "<|system|>\nYou are terse.\n<|user|>\nHello\n<|assistant|>\nHi there</s>\n<|user|>"
     "\n  Who?\xe3\x80\x80"
     "\n\n<|assistant|>\n Me.\n ok </s>\n<|user|>\nBye\n<|assistan"
     "t|>\n"},
    {T_FALCON3, C_NO_SYSTEM, true,
     "<|user|>\nHello\n<|assistant|>\nHi there</s>\n<|user|>\n  Who?\xe3\x80\x80"
     "\n\n<|"
     "assistant|>\n Me.\n ok </s>\n<|user|>\nBye\n<|assistant|>\n"},
    {T_FALCON3, C_ONE, true, "<|user|>\nHello\n<|assistant|>\n"},
    {T_FALCON3, C_ENDS, true,
     "<|user|>\nHello\n<|assistant|>\nHi there</s>\n<|user|>\n  Who?\xe3\x80\x80"
     "\n\n<|"
     "assistant|>\n Me.\n ok </s><|assistant|>\n"},
    {T_FALCON3, C_ENDS, false,
     "<|user|>\nHello\n<|assistant|>\nHi there</s>\n<|user|>\n  Who?\xe3\x80\x80"
     "\n\n<|"
     "assistant|>\n Me.\n ok </s>"},
    {T_ZEPHYR, C_FULL, true,
     "<|system|>\nYou are terse.</s>\n<|user|>\nHello</s>\n<|assistant|>\nHi there</s>\n<"
     "|user|>\n  Who?\xe3\x80\x80"
     "\n</s>\n<|assistant|>\n Me.\n ok </s>\n<|user|>\nBye<"
     "/s>\n<|assistant|>\n"},
    {T_ZEPHYR, C_NO_SYSTEM, true,
     "<|user|>\nHello</s>\n<|assistant|>\nHi there</s>\n<|user|>\n  Who?\xe3\x80\x80"
     "\n"
     "</s>\n<|assistant|>\n Me.\n ok </s>\n<|user|>\nBye</s>\n<|assistant|>\n"},
    {T_ZEPHYR, C_ONE, true, "<|user|>\nHello</s>\n<|assistant|>\n"},
    {T_ZEPHYR, C_ENDS, true,
     "<|user|>\nHello</s>\n<|assistant|>\nHi there</s>\n<|user|>\n  Who?\xe3\x80\x80"
     "\n"
     "</s>\n<|assistant|>\n Me.\n ok </s>\n<|assistant|>\n"},
    {T_ZEPHYR, C_ENDS, false,
     "<|user|>\nHello</s>\n<|assistant|>\nHi there</s>\n<|user|>\n  Who?\xe3\x80\x80"
     "\n"
     "</s>\n<|assistant|>\n Me.\n ok </s>\n"},
    {T_LLAMA2, C_FULL, true,
     "<s>[INST] <<SYS>>\nYou are terse.\n<</SYS>>\n\nHello [/INST] Hi there </s><s>[INST]"
     " Who? [/INST] Me.\n ok </s><s>[INST] Bye [/INST]"},
    {T_LLAMA2, C_NO_SYSTEM, true,
     "<s>[INST] Hello [/INST] Hi there </s><s>[INST] Who? [/INST] Me.\n ok </s><s>[INST] "
     "Bye [/INST]"},
    {T_LLAMA2, C_ONE, true, "<s>[INST] Hello [/INST]"},
    {T_LLAMA2, C_ENDS, true,
     "<s>[INST] Hello [/INST] Hi there </s><s>[INST] Who? [/INST] Me.\n ok </s>"},
    {T_LLAMA2, C_ENDS, false,
     "<s>[INST] Hello [/INST] Hi there </s><s>[INST] Who? [/INST] Me.\n ok </s>"},
    {T_MISTRAL, C_NO_SYSTEM, true,
     "<s>[INST] Hello [/INST]Hi there</s>[INST]   Who?\xe3\x80\x80"
     "\n [/INST] Me.\n ok "
     "</s>[INST] Bye [/INST]"},
    {T_MISTRAL, C_ONE, true, "<s>[INST] Hello [/INST]"},
    {T_MISTRAL, C_ENDS, true,
     "<s>[INST] Hello [/INST]Hi there</s>[INST]   Who?\xe3\x80\x80"
     "\n [/INST] Me.\n ok "
     "</s>"},
    {T_MISTRAL, C_ENDS, false,
     "<s>[INST] Hello [/INST]Hi there</s>[INST]   Who?\xe3\x80\x80"
     "\n [/INST] Me.\n ok "
     "</s>"},
    {T_GEMMA, C_NO_SYSTEM, true,
     "<s><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\nHi there<end_of_t"
     "urn>\n<start_of_turn>user\nWho?<end_of_turn>\n<start_of_turn>model\nMe.\n ok<end_of"
     "_turn>\n<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n"},
    {T_GEMMA, C_ONE, true,
     "<s><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\n"},
    {T_GEMMA, C_ENDS, true,
     "<s><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\nHi there<end_of_t"
     "urn>\n<start_of_turn>user\nWho?<end_of_turn>\n<start_of_turn>model\nMe.\n ok<end_of"
     "_turn>\n<start_of_turn>model\n"},
    {T_GEMMA, C_ENDS, false,
     "<s><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\nHi there<end_of_t"
     "urn>\n<start_of_turn>user\nWho?<end_of_turn>\n<start_of_turn>model\nMe.\n ok<end_of"
     "_turn>\n"},
};

#endif
